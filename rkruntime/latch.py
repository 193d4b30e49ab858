"""A wait that Ctrl-C can end anywhere without harm to whoever sets it.

`threading.Event`, and with it `concurrent.futures.Future`, guards its state by a lock that Python code takes: a Ctrl-C
between the taking and the `with` block leaves it taken for good, and whoever sets the event then waits for ever. Here
nobody needs the lock to set it.

And a wait without a limit may miss Ctrl-C altogether: a signal that comes when the thread has let go of the GIL and is
not asleep yet, or that the system hands to another thread, is only noted, and nothing wakes the sleeper. So it wakes up
by itself now and then, and CPython looks for what was noted.
"""

from __future__ import annotations

import threading

__all__ = ("Latch",)

LOOK_S = 0.05


class Latch:
    """Set once, by any thread; waited for by any number, each of which may be interrupted and wait again."""

    def __init__(self) -> None:
        self._set = False
        self._lock = threading.Lock()
        self._lock.acquire()

    @property
    def is_set(self) -> bool:
        """Whether it was set."""
        return self._set

    def set(self) -> None:
        """Let go of all that wait, now and later.

        Raises:
            RuntimeError: It was set before.
        """
        self._set = True
        self._lock.release()

    def wait(self) -> None:
        """Wait until it is set."""
        while not self._set:
            if self._lock.acquire(timeout=LOOK_S):  # it is set: a Ctrl-C that leaves the lock taken holds up nobody
                self._lock.release()
