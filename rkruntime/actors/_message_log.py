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

FIELDS = len(MessageDone._fields)
PLACES = {name: place for place, name in enumerate(MessageDone._fields)}
WAITED, RAN, BEGAN = PLACES["waited_s"], PLACES["ran_s"], PLACES["began_s"]
HAND_OVER_S = 1.0


class EndedMessages:
    """Messages in the order of their ends, by column: what is counted of many is counted column by column.

    Args:
        flat: The fields of one `MessageDone` after those of another.
    """

    def __init__(self, flat: Sequence[Any]) -> None:
        self._flat = flat

    @classmethod
    def of(cls, *ended: MessageDone) -> EndedMessages:
        """Put records together."""
        return cls([field for done in ended for field in done])

    def __len__(self) -> int:
        return len(self._flat) // FIELDS

    def __iter__(self) -> Iterator[MessageDone]:
        return map(MessageDone._make, zip(*[iter(self._flat)] * FIELDS, strict=True))

    def columns(self, *fields: str) -> tuple[Sequence[Any], ...]:
        """Return what all messages hold in each of these fields of `MessageDone`, in order."""
        return tuple(self._flat[PLACES[field] :: FIELDS] for field in fields)

    def traced(self) -> list[MessageDone]:
        """Return the messages whose trace is recorded, which few are: the others are not even made into records."""
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

    Attributes:
        ended: The fields of the messages that wait, one message after another. In place of how long they waited and ran
            stand when they came and ended, by `now`, as their beginning is.
        most: How many fields may wait.
        now: A clock, in seconds.
        to_trio_s: What Trio's clock is ahead of it.
    """

    __slots__ = ("_hook", "_taking", "begin_trace", "ended", "most", "now", "to_trio_s")

    def __init__(self, hook: OnMessages, at_once: int, begin_trace: Callable[[], Trace | None] | None = None) -> None:
        self.ended: list[Any] = []
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
        with self._taking:
            ended = self.ended[:]
            del self.ended[: len(ended)]
        if ended:
            self._work_out(ended)
            try:
                self._hook(EndedMessages(ended))
            except Exception:
                get_logger("rkruntime.actors").exception("a hook raised, and was ignored", record="MessageDone")

    def _work_out(self, ended: list[Any]) -> None:
        """Put durations in place of the times that were taken: of many messages at once, a third of what each costs."""
        came_s, ended_s, began_s = ended[WAITED::FIELDS], ended[RAN::FIELDS], ended[BEGAN::FIELDS]
        ended[WAITED::FIELDS] = [*map(sub, began_s, came_s)]
        ended[RAN::FIELDS] = [*map(sub, ended_s, began_s)]
        ended[BEGAN::FIELDS] = [each_s + self.to_trio_s for each_s in began_s]
