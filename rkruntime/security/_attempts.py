"""How fast keys and tokens may be guessed from one address. Decisions only."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ("Attempts",)


class Attempts:
    """Counts failures by address: so many at once, and then so many a second. What is known already is never counted.

    Args:
        burst: Failures that are let pass at once.
        per_s: Failures a second that are forgotten.
        most: Addresses that are kept in mind; of more, those that failed longest ago are forgotten.
        ticks: Seconds on a clock that is never set.
    """

    def __init__(
        self,
        burst: int = 10,
        per_s: float = 1.0,
        most: int = 4096,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst, self._per_s, self._most, self._ticks = burst, per_s, most, ticks
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, peer: str) -> float:
        """Return the seconds after which an address may try again; 0 where it may now."""
        return max(0.0, (self._count(peer) - self._burst + 1) / self._per_s)

    def failed(self, peer: str) -> None:
        """Count a failure."""
        self._failures[peer] = (self._count(peer) + 1, self._ticks())
        self._failures.move_to_end(peer)
        while len(self._failures) > self._most:
            self._failures.popitem(last=False)

    def _count(self, peer: str) -> float:
        count, at_s = self._failures.get(peer, (0.0, 0.0))
        return max(0.0, count - (self._ticks() - at_s) * self._per_s)
