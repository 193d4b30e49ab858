"""What every handler needs, made once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NoReturn

import attrs

from rkruntime.config import ProductionConfig
from rkruntime.errors import Draining, NotRunning
from rkruntime.observability import Observability
from rkruntime.runtime import Runtime, State
from rkruntime.service._activity import Activity
from rkruntime.service._bridge import Bridge
from rkruntime.service._catalogue import Catalogue
from rkruntime.service._feed import Feed
from rkruntime.service._idempotency import Answers
from rkruntime.service._limits import Limits

__all__ = ("Heart", "ServiceState")


class Heart:
    """Beats on the Trio thread; read from the server's, it says whether the runtime's loop still turns."""

    EACH_S = 1.0
    STOPPED_AFTER_S = 15.0

    def __init__(self) -> None:
        self._beat_s = time.monotonic()

    def beat(self) -> None:
        """Note that the loop turned."""
        self._beat_s = time.monotonic()

    @property
    def beats(self) -> bool:
        """Whether it beat lately."""
        return time.monotonic() - self._beat_s < self.STOPPED_AFTER_S


class DrainClock:
    """Knows when the drain began, on a clock that the server's thread can read."""

    def __init__(self) -> None:
        self._began_s: float | None = None

    def begin(self) -> None:
        """Note that it begins now."""
        self._began_s = time.monotonic()

    def retry_after_s(self, length_s: float) -> float:
        """Return the seconds until a drain of this length is over; 1 at least."""
        passed_s = 0.0 if self._began_s is None else time.monotonic() - self._began_s
        return max(1.0, length_s - passed_s)


@attrs.frozen(kw_only=True, eq=False)
class ServiceState:
    """What handlers answer from.

    The runtime's plain attributes (`state`, `health`) may be read from the server's thread; everything else of it is
    asked over the bridge.
    """

    config: ProductionConfig
    runtime: Runtime
    bridge: Bridge
    catalogue: Catalogue
    limits: Limits
    answers: Answers
    description: Callable[[], bytes]
    observability: Observability | None = None
    heart: Heart = attrs.field(factory=Heart)
    drain: DrainClock = attrs.field(factory=DrainClock)
    activity: Activity = attrs.field(factory=Activity)
    feed: Feed = attrs.field(factory=Feed)

    def refuse(self) -> NoReturn:
        """Refuse new work as the runtime would, which does not admit it, before any of it is read.

        For the server's thread.

        Raises:
            Draining: The runtime drains, and its grace is over.
            NotRunning: It has not started yet, or has ended.
        """
        if self.runtime.state is State.DRAINING:
            limits = self.config.runtime
            raise Draining(self.drain.retry_after_s(limits.drain_grace + limits.shutdown_timeout))
        raise NotRunning(self.runtime.state.value)
