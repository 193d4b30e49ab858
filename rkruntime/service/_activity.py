"""What the dashboard shows beyond the runtime's own snapshot: launches by kernel, and the last errors."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from rkruntime.actors import ActorEvent
from rkruntime.kernels import LaunchDone
from rkruntime.runtime import Transition

__all__ = ("Activity",)

RECENT = 256
"""Launches of a kernel whose times the quantiles are taken over: the latest."""
MOST_KERNELS = 100
"""Kernels that are told; the busiest first."""
MOST_ERRORS = 20


class _Kernel:
    """One kernel's launches so far."""

    __slots__ = ("cancelled", "failed", "launches", "longest_s", "recent_s")

    def __init__(self) -> None:
        self.launches = 0
        self.failed = 0
        self.cancelled = 0
        self.longest_s = 0.0
        self.recent_s: deque[float] = deque(maxlen=RECENT)

    def told(self, name: str) -> dict[str, Any]:
        """Tell it in plain values; quantiles over the latest launches, None where there are none."""
        p50_s, p95_s = _quantiles(self.recent_s)
        return {
            "name": name,
            "launches": self.launches,
            "failed": self.failed,
            "cancelled": self.cancelled,
            "p50_s": p50_s,
            "p95_s": p95_s,
            "max_s": self.longest_s or None,
        }


class Activity:
    """A hook that counts launches by kernel and keeps the last errors.

    It is called and read on the Trio thread. A record costs it a few additions; what it keeps is bounded by the number
    of kernels.
    """

    def __init__(self) -> None:
        self._kernels: dict[str, _Kernel] = {}
        self._errors: deque[dict[str, str]] = deque(maxlen=MOST_ERRORS)
        self.takes: dict[type, Callable[[Any], None]] = {
            LaunchDone: self._launched,
            ActorEvent: self._acted,
            Transition: self._moved,
        }

    def __call__(self, record: Any) -> None:
        """Take note of a record."""
        take = self.takes.get(type(record))
        if take is not None:
            take(record)

    def _acted(self, event: ActorEvent) -> None:
        if event.error:
            self._note_error(f"actor {event.actor} {event.what}", event.error)

    def _moved(self, transition: Transition) -> None:
        if transition.cause:
            self._note_error(f"runtime {transition.after.value}", transition.cause)

    def _launched(self, done: LaunchDone) -> None:
        kernel = self._kernels.get(done.kernel)
        if kernel is None:
            kernel = self._kernels[done.kernel] = _Kernel()
        kernel.launches += 1
        if done.outcome == "completed":
            kernel.recent_s.append(done.took_s)
            if done.took_s > kernel.longest_s:
                kernel.longest_s = done.took_s
        elif done.outcome == "cancelled":
            kernel.cancelled += 1
        else:
            kernel.failed += 1
            self._note_error(f"kernel {done.kernel}", done.error)

    def kernels(self) -> list[dict[str, Any]]:
        """Tell the launches of each kernel, the busiest first."""
        busiest = sorted(self._kernels.items(), key=lambda item: -item[1].launches)
        return [kernel.told(name) for name, kernel in busiest[:MOST_KERNELS]]

    def errors(self) -> list[dict[str, str]]:
        """Tell the last errors, the latest first."""
        return list(reversed(self._errors))

    def _note_error(self, where: str, error: str) -> None:
        at = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="seconds")
        self._errors.append({"at": at, "where": where, "error": error})


def _quantiles(times_s: deque[float]) -> tuple[float | None, float | None]:
    """Return the median and the 95th percentile."""
    if len(times_s) < 2:
        return (times_s[0], times_s[0]) if times_s else (None, None)
    cuts = statistics.quantiles(times_s, n=20, method="inclusive")
    return cuts[9], cuts[18]
