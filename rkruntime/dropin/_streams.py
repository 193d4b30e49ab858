"""Streams and events of a device whose work is done when the call that asks for it returns.

That is one of the orders that CUDA allows, the one that CUDA_LAUNCH_BLOCKING=1 asks for. What is left to do on a stream
are the callbacks of the host, which must not run on the thread that adds them.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable

from rkruntime.latch import Latch

__all__ = ("Callbacks", "Events", "Handles")


class Handles:
    """Gives numbers that look like a driver's handles, and knows which are in use."""

    def __init__(self, first: int) -> None:
        self._next = itertools.count(first, 0x10)
        self._live: set[int] = set()

    def open(self) -> int:
        """Return a new handle."""
        handle = next(self._next)
        self._live.add(handle)
        return handle

    def close(self, handle: int) -> None:
        """Forget a handle.

        Raises:
            KeyError: It is not in use.
        """
        self._live.remove(handle)

    def __contains__(self, handle: object) -> bool:
        return handle in self._live


class Events:
    """Events with the times at which they were recorded."""

    def __init__(self) -> None:
        self._handles = Handles(0x20000)
        self._timed: dict[int, bool] = {}
        self._recorded_s: dict[int, float] = {}

    def open(self, timed: bool) -> int:
        """Return a new event's handle."""
        handle = self._handles.open()
        self._timed[handle] = timed
        return handle

    def close(self, handle: int) -> None:
        """Forget an event.

        Raises:
            KeyError: There is no such event.
        """
        self._handles.close(handle)
        del self._timed[handle]
        self._recorded_s.pop(handle, None)

    def record(self, handle: int) -> None:
        """Note the time.

        Raises:
            KeyError: There is no such event.
        """
        if handle not in self._timed:
            raise KeyError(handle)
        self._recorded_s[handle] = time.perf_counter()

    def elapsed_ms(self, begin: int, end: int) -> float:
        """Return the milliseconds between two events.

        Raises:
            KeyError: One of them was not recorded, or keeps no time.
        """
        if not self._timed[begin] or not self._timed[end]:
            raise KeyError(begin)
        return (self._recorded_s[end] - self._recorded_s[begin]) * 1e3


class Callbacks:
    """Calls the host's functions in the order in which they were added, on a thread that lives while there are any."""

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._all_called: Latch | None = None
        os.register_at_fork(after_in_child=self._forget)

    def add(self, call: Callable[[], None]) -> None:
        """Call soon, on another thread."""
        with self._lock:
            self._waiting.append(call)
            if self._all_called is None:
                self._all_called = Latch()
                threading.Thread(target=self._serve, name="rkruntime-callbacks").start()

    def wait(self) -> None:
        """Wait until all that were added have returned."""
        all_called = self._all_called
        if all_called is not None:
            all_called.wait()

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    all_called, self._all_called = self._all_called, None
                    break
                call = self._waiting.popleft()
            call()
        if all_called is not None:
            all_called.set()

    def _forget(self) -> None:
        """Leave the parent's calls to the parent's thread."""
        self._waiting = deque()
        self._lock = threading.Lock()
        self._all_called = None
