"""What ran: kernels, how they were lowered, how often they were launched, and how long that took."""

from __future__ import annotations

import threading
from typing import Any

import attrs

__all__ = ("Entry", "Report", "kernels")


@attrs.define
class Entry:
    """What became of one kernel for one list of argument types.

    Args:
        kernel: Its name.
        place: File and line.
        signature: Types of the arguments.
        lowering: `lanes`, `loop`, `fibers`, or `simulator`.
        launches: How often it was launched.
        total_s: Seconds that its launches took, on the clock.
        compile_s: Seconds that compiling took; 0 where it came from the cache.
    """

    kernel: str
    place: str
    signature: str
    lowering: str
    launches: int = 0
    total_s: float = 0.0
    compile_s: float = 0.0


class Report:
    """Counts launches, from any thread."""

    def __init__(self) -> None:
        self._entries: dict[Any, Entry] = {}
        self._lock = threading.Lock()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """One entry for each kernel and list of argument types, in the order of their first launches."""
        with self._lock:
            return tuple(attrs.evolve(entry) for entry in self._entries.values())

    def count(self, key: Any, entry: Entry, took_s: float) -> None:
        """Count one launch.

        Args:
            key: What tells this kernel and its types from others.
            entry: What to begin with, should there be none for the key.
            took_s: Seconds that the launch took.
        """
        with self._lock:
            known = self._entries.setdefault(key, entry)
            known.launches += 1
            known.total_s += took_s

    def __str__(self) -> str:
        rows = [("kernel", "place", "lowering", "launches", "time", "compiling", "types")]
        rows += [
            (e.kernel, e.place, e.lowering, str(e.launches), _time(e.total_s), _time(e.compile_s), e.signature)
            for e in self.entries
        ]
        if len(rows) == 1:
            return "rkruntime.dropin: no kernel was launched"
        widths = [max(len(row[column]) for row in rows) for column in range(6)]
        lines = [
            "  ".join((*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[6])) for row in rows
        ]
        return "\n".join(["rkruntime.dropin: kernels that ran", *(line.rstrip() for line in lines)])


def _time(seconds: float) -> str:
    return f"{seconds:.3f} s" if seconds >= 1 else f"{seconds * 1e3:.3f} ms"


kernels = Report()
"""The kernels of this process."""
