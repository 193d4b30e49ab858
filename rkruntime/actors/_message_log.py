"""The ends of messages on their way to a hook: handed over together, for a call each would be felt."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from operator import sub
from typing import Any

import trio

from rkruntime.actors._records import MessageDone
from rkruntime.context import Trace
from rkruntime.log import get_logger

__all__ = ("EndedMessages", "MessageLog", "OnMessages")

OnMessages = Callable[["EndedMessages"], None]

WHOLE = MessageDone._fields
FIELDS = len(WHOLE)
COUNTED = ("outcome", "waited_s", "ran_s", "began_s")
"""What is kept of a message that nobody wants more of than that it be counted."""
HAND_OVER_S = 1.0


class EndedMessages:
    """Messages in the order of their ends, by column: what is counted of many is counted column by column.

    Args:
        flat: The fields of one message after those of another.
        fields: Which fields of `MessageDone` those are: all, or some where nobody wants the others.
    """

    def __init__(self, flat: Sequence[Any], fields: Sequence[str] = WHOLE) -> None:
        self._flat = flat
        self._fields = fields

    @classmethod
    def of(cls, *ended: MessageDone) -> EndedMessages:
        """Put records together."""
        return cls([field for done in ended for field in done])

    def __len__(self) -> int:
        return len(self._flat) // len(self._fields)

    def __iter__(self) -> Iterator[MessageDone]:
        return map(MessageDone._make, zip(*[iter(self._flat)] * FIELDS, strict=True))

    def columns(self, *fields: str) -> tuple[Sequence[Any], ...]:
        """Return what all messages hold in each of these fields of `MessageDone`, in order."""
        return tuple(self._flat[self._fields.index(field) :: len(self._fields)] for field in fields)

    def traced(self) -> list[MessageDone]:
        """Return the messages whose trace is recorded, which few are: the others are not even made into records."""
        if self._fields is not WHOLE:
            return []
        (traces,) = self.columns("trace")
        if traces.count(None) == len(traces):
            return []
        recorded = [place for place, trace in enumerate(traces) if trace is not None and trace.sampled]
        return [MessageDone._make(self._flat[place * FIELDS : (place + 1) * FIELDS]) for place in recorded]


class MessageLog:
    """What has ended and was not handed over yet.

    Args:
        hook: Takes messages in the order of their ends; what it raises is logged and dropped.
        at_once: How many are handed over together; fewer once a second.
        begin_trace: Begins a trace, or none, for a message that comes from no handler and belongs to none.
        whole: Whether messages that are not traced are wanted with more than their outcome and times.

    Attributes:
        ended: The fields of the messages that wait, one message after another. In place of how long they waited and ran
            stand when they came and ended, by `now`, as their beginning is.
        counted: The same of those that are wanted with no more than the fields `COUNTED`.
        most: How many fields may wait in either.
        now: A clock, in seconds.
        to_trio_s: What Trio's clock is ahead of it.
    """

    __slots__ = ("_hook", "_taking", "begin_trace", "counted", "ended", "most", "now", "to_trio_s", "whole")

    def __init__(
        self,
        hook: OnMessages,
        at_once: int,
        begin_trace: Callable[[], Trace | None] | None = None,
        whole: bool = True,
    ) -> None:
        self.ended: list[Any] = []
        self.counted: list[Any] = []
        self.whole = whole
        self.most = at_once * FIELDS
        self.begin_trace = begin_trace
        self.now: Callable[[], float] = trio.current_time
        self.to_trio_s = 0.0
        self._hook = hook
        self._taking = threading.Lock()

    async def run(self) -> None:
        """Hand over once a second what waits; where each is handed over as it ends, there is nothing to do."""
        while self.most > FIELDS:
            await trio.sleep(HAND_OVER_S)
            self.hand_over()

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
        for waiting, fields in ((self.ended, WHOLE), (self.counted, COUNTED)):
            with self._taking:
                ended = waiting[:]
                del waiting[: len(ended)]
            if ended:
                self._work_out(ended, fields)
                try:
                    self._hook(EndedMessages(ended, fields))
                except Exception:
                    get_logger("rkruntime.actors").exception("a hook raised, and was ignored", record="MessageDone")

    def _work_out(self, ended: list[Any], fields: Sequence[str]) -> None:
        """Put durations in place of the times that were taken: of many messages at once, a third of what each costs."""
        waited, ran, began = (slice(fields.index(name), None, len(fields)) for name in ("waited_s", "ran_s", "began_s"))
        came_s, ended_s, began_s = ended[waited], ended[ran], ended[began]
        ended[waited] = [*map(sub, began_s, came_s)]
        ended[ran] = [*map(sub, ended_s, began_s)]
        ended[began] = [each_s + self.to_trio_s for each_s in began_s]
