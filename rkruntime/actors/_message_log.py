"""The ends of messages on their way to a hook: handed over together, for a call each would be felt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import trio

from rkruntime.actors._records import MessageDone
from rkruntime.log import get_logger

__all__ = ("MessageLog", "OnMessages")

OnMessages = Callable[[Sequence[MessageDone]], None]


class MessageLog:
    """What has ended and was not handed over yet.

    Args:
        hook: Takes messages in the order of their ends; what it raises is logged and dropped.
        at_once: How many are handed over together. One whose trace is recorded is handed over at once, with those
            before it.

    Attributes:
        ended: The messages that wait.
        now: A clock, in seconds.
        to_trio_s: What Trio's clock is ahead of it.
    """

    __slots__ = ("_hook", "_taking", "at_once", "ended", "now", "to_trio_s")

    def __init__(self, hook: OnMessages, at_once: int) -> None:
        self.ended: list[MessageDone] = []
        self.at_once = at_once
        self.now: Callable[[], float] = trio.current_time
        self.to_trio_s = 0.0
        self._hook = hook
        self._taking = threading.Lock()

    def start(self) -> None:
        """Take the clock of this run.

        Trio's own is `time.perf_counter` from a random beginning; asked directly, that costs a fifth. Any other, such
        as a test's, is asked itself.
        """
        clock = trio.lowlevel.current_clock()
        if type(clock).__name__ == "SystemClock":
            self.now = time.perf_counter
            self.to_trio_s = clock.current_time() - time.perf_counter()
        else:
            self.now = clock.current_time

    def hand_over(self) -> None:
        """Hand over what waits; on any thread, so that whoever reads what a hook made of it may ask for the latest."""
        with self._taking:
            ended = self.ended[:]
            del self.ended[: len(ended)]
        if ended:
            try:
                self._hook(ended)
            except Exception:
                get_logger("rkruntime.actors").exception("a hook raised, and was ignored", record="MessageDone")
