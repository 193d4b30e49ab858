"""A message, and the bounded queue it waits in."""

from __future__ import annotations

import contextvars
import enum
import math
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any, TypeAlias

import outcome
import trio

from rkruntime.context import Trace

__all__ = ("NOT_STARTED", "Answer", "Envelope", "Mailbox", "MessageState")

NOT_STARTED = -1.0
"""In place of the time at which a handler began; clocks begin at 0 or later."""
COMPACT_AT = 64
"""Withdrawn messages that may lie in the queue before it is cleared of them."""

Answer: TypeAlias = Callable[[outcome.Outcome[Any]], object]
"""Takes how a message ended: its handler's result, or the error that whoever asked gets."""


class MessageState(enum.Enum):
    """Where a message stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"


QUEUED, RUNNING, DONE = MessageState.QUEUED, MessageState.RUNNING, MessageState.DONE


class Envelope:
    """One message on its way: what to call, with what, for whom, in which context and until when."""

    __slots__ = (
        "above",
        "accepted_s",
        "answer",
        "args",
        "came_s",
        "context",
        "counted",
        "deadline_s",
        "kwargs",
        "method",
        "scope",
        "slot",
        "started_s",
        "state",
        "stop_reason",
        "trace",
        "urgent",
    )

    def __init__(
        self,
        method: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: contextvars.Context,
        above: tuple[Any, ...],
        deadline_s: float = math.inf,
        answer: Answer | None = None,
    ) -> None:
        self.method = method
        self.args = args
        self.kwargs = kwargs
        self.context = context
        self.above = above
        self.deadline_s = deadline_s
        self.answer = answer
        self.state = QUEUED
        self.scope: trio.CancelScope | None = None
        self.counted = True
        self.urgent = False
        self.accepted_s = 0.0
        self.came_s = 0.0
        self.trace: Trace | None = None
        self.started_s = NOT_STARTED
        self.slot = 0
        self.stop_reason = ""

    @property
    def name(self) -> str:
        """The method's name, for errors and records."""
        return getattr(self.method, "__name__", repr(self.method))


class Mailbox:
    """Messages in order, at most `capacity`; control messages, in order too, go first and take up no room.

    Servers park here while there is nothing to do, senders while there is no room; both wake in order.
    """

    __slots__ = ("_gone", "_queue", "_senders", "_servers", "_urgent", "_woken", "capacity", "taken_up")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.taken_up = 0
        self._woken = False
        self._gone = 0
        self._queue: deque[Envelope] = deque()
        self._urgent: deque[Envelope] = deque()
        self._servers: deque[trio.lowlevel.Task] = deque()
        self._senders: OrderedDict[trio.lowlevel.Task, None] = OrderedDict()

    @property
    def depth(self) -> int:
        """Messages that wait, control messages among them."""
        return len(self._queue) + len(self._urgent) - self._gone

    @property
    def full(self) -> bool:
        """Whether the next message has to wait, or wait behind others that do."""
        return self.taken_up >= self.capacity or bool(self._senders)

    def put(self, envelope: Envelope, *, urgent: bool = False, has_place: bool = False) -> None:
        """Take a message; the caller has seen that there is room, or was given a place by `wait_for_room`."""
        if urgent:
            envelope.urgent = True
            self._urgent.append(envelope)
        else:
            if not has_place:
                self.taken_up += 1
            self._queue.append(envelope)
        if self._servers and not self._woken:
            self.wake_server()

    def wake_server(self) -> None:
        """Wake a server where messages wait, unless one is on its way: it takes all that end without waiting.

        Whoever has a message that does wait calls this, for those behind it.
        """
        if self._servers and not self._woken and (self._queue or self._urgent):
            self._woken = True
            trio.lowlevel.reschedule(self._servers.popleft())

    def take(self) -> Envelope | None:
        """Return the next message, or None."""
        while self._urgent:
            envelope = self._urgent.popleft()
            if envelope.state is QUEUED:
                return envelope
            self._gone -= 1
        while self._queue:
            envelope = self._queue.popleft()
            if envelope.state is QUEUED:
                if self._senders:
                    self.give_place()
                else:
                    self.taken_up -= 1
                return envelope
            self._gone -= 1
        return None

    def withdraw(self, envelope: Envelope) -> None:
        """Forget a message that still waits."""
        envelope.state = DONE
        self._gone += 1
        if not envelope.urgent:
            self.give_place()
        if self._gone > COMPACT_AT + self.depth:
            self._queue = deque(waiting for waiting in self._queue if waiting.state is QUEUED)
            self._urgent = deque(waiting for waiting in self._urgent if waiting.state is QUEUED)
            self._gone = 0

    def take_all(self) -> list[Envelope]:
        """Return every message that waits, and forget them."""
        waiting = []
        while (envelope := self.take()) is not None:
            waiting.append(envelope)
        return waiting

    def give_place(self) -> None:
        """Hand a place that came free to the sender who waited longest, if there is one."""
        if self._senders:
            sender, _ = self._senders.popitem(last=False)
            trio.lowlevel.reschedule(sender, outcome.Value(True))
        else:
            self.taken_up -= 1

    async def wait_for_message(self) -> None:
        """Park until there may be a message."""
        task = trio.lowlevel.current_task()
        self._servers.append(task)

        def withdraw(_: object) -> trio.lowlevel.Abort:
            self._servers.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(withdraw)
        self._woken = False

    def dismiss_servers(self) -> None:
        """Wake everybody who waits for a message: this life ends, and needs no cancellation for it."""
        while self._servers:
            trio.lowlevel.reschedule(self._servers.popleft())

    async def wait_for_room(self) -> bool:
        """Park until there is room, behind those who came before.

        Returns:
            True: a place is kept for the caller, to be taken at once or given back by `give_place`. False: look again
            why there was none.
        """
        task = trio.lowlevel.current_task()
        self._senders[task] = None

        def withdraw(_: object) -> trio.lowlevel.Abort:
            del self._senders[task]
            return trio.lowlevel.Abort.SUCCEEDED

        return bool(await trio.lowlevel.wait_task_rescheduled(withdraw))

    def wake_senders(self) -> None:
        """Wake everybody who waits for room: the actor is gone, or admission has closed."""
        while self._senders:
            sender, _ = self._senders.popitem(last=False)
            trio.lowlevel.reschedule(sender, outcome.Value(False))
