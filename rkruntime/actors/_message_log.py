"""The ends of messages on their way to a hook: handed over together, for a call each would be felt."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import sub
from typing import TYPE_CHECKING, Any

import numpy as np
import trio

from rkruntime.actors._mailbox import NOT_STARTED
from rkruntime.actors._records import MessageDone
from rkruntime.context import TRACE, Trace
from rkruntime.log import get_logger

if TYPE_CHECKING:
    from rkruntime.actors._mailbox import Envelope

__all__ = ("EndedMessages", "MessageLog", "OnMessages")

OnMessages = Callable[["EndedMessages"], None]

WHOLE = MessageDone._fields
FIELDS = len(WHOLE)
TIMES = 3
"""What is kept of a message that completed, and of which nobody wants more than its times: so many of them."""
HAND_OVER_S = 1.0


class EndedMessages:
    """Messages in the order of their ends, by column: what is counted of many is counted column by column.

    Args:
        columns: What all of them hold in each field of `MessageDone`, or in those that somebody wants.
    """

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self._columns = columns

    @classmethod
    def of(cls, *ended: MessageDone) -> EndedMessages:
        """Put records together."""
        return cls(dict(zip(WHOLE, zip(*ended, strict=True), strict=True)))

    def __len__(self) -> int:
        return len(self._columns["outcome"])

    def __iter__(self) -> Iterator[MessageDone]:
        return map(MessageDone._make, zip(*self.columns(*WHOLE), strict=True))

    def columns(self, *fields: str) -> tuple[Sequence[Any], ...]:
        """Return what all messages hold in each of these fields of `MessageDone`, in order."""
        return tuple(self._columns[field] for field in fields)

    def traced(self) -> list[MessageDone]:
        """Return the messages whose trace is recorded, which few are: the others are not even made into records."""
        traces = self._columns.get("trace", ())
        if traces.count(None) == len(traces):
            return []
        recorded = [place for place, trace in enumerate(traces) if trace is not None and trace.sampled]
        return [MessageDone(*(self._columns[field][place] for field in WHOLE)) for place in recorded]


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
        counted: Of those that completed and of which nobody wants more: when each came, began and ended.
        most_counted: How many of these times may wait.
        now: A clock, in seconds.
        to_trio_s: What Trio's clock is ahead of it.
    """

    __slots__ = (
        "_hook",
        "_most",
        "_taking",
        "begin_trace",
        "counted",
        "ended",
        "most_counted",
        "now",
        "to_trio_s",
        "whole",
    )

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
        self.most_counted = at_once * TIMES
        self.begin_trace = begin_trace or repeat(None).__next__
        self.now: Callable[[], float] = trio.current_time
        self.to_trio_s = 0.0
        self._hook = hook
        self._most = at_once * FIELDS
        self._taking = threading.Lock()

    async def run(self) -> None:
        """Hand over once a second what waits; where each is handed over as it ends, there is nothing to do."""
        while self._most > FIELDS:
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

    def take(self, envelope: Envelope, actor: str, how: str) -> None:
        """Keep all that is known of a message that has ended."""
        now_s, began_s = self.now(), envelope.started_s
        if began_s == NOT_STARTED:
            began_s = now_s
            trace = envelope.context.get(TRACE)
            if trace is not None and trace.sampled:
                envelope.trace = trace.child()  # its handler, which would have begun its span, never ran
        ended, name = self.ended, envelope.method.__name__  # with times: durations are worked out for many at once
        ended += (actor, name, how, envelope.came_s, now_s, began_s, envelope.slot, envelope.trace)
        if len(ended) >= self._most:
            self.hand_over()

    def hand_over(self) -> None:
        """Hand over what waits; on any thread, so that whoever reads what a hook made of it may ask for the latest."""
        with self._taking:
            ended, counted = self.ended[:], self.counted[:]
            del self.ended[: len(ended)], self.counted[: len(counted)]
        for taken, by_column in ((ended, self._by_column), (counted, self._times_by_column)):
            if taken:
                try:
                    self._hook(EndedMessages(by_column(taken)))
                except Exception:
                    get_logger("rkruntime.actors").exception("a hook raised, and was ignored", record="MessageDone")

    def _by_column(self, ended: list[Any]) -> Mapping[str, Sequence[Any]]:
        """Put durations in place of the times that were taken: of many messages at once, a third of what each costs."""
        columns = {field: ended[place::FIELDS] for place, field in enumerate(WHOLE)}
        came_s, ended_s, began_s = columns["waited_s"], columns["ran_s"], columns["began_s"]
        columns["waited_s"] = [*map(sub, began_s, came_s)]
        columns["ran_s"] = [*map(sub, ended_s, began_s)]
        columns["began_s"] = [each_s + self.to_trio_s for each_s in began_s]
        return columns

    def _times_by_column(self, times_s: list[float]) -> Mapping[str, Any]:
        """The same of messages that completed, and of which nobody wants more: as arrays, a third of that once more."""
        packed = struct.pack(f"{len(times_s)}d", *times_s)  # a third of the time that `np.array` takes
        came_s, began_s, ended_s = np.frombuffer(packed).reshape(-1, TIMES).T
        return {
            "outcome": ("completed",) * len(came_s),
            "waited_s": began_s - came_s,
            "ran_s": ended_s - began_s,
            "began_s": began_s + self.to_trio_s,
        }
