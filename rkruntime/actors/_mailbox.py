"""A message, and the bounded queue it waits in."""

from __future__ import annotations

import contextvars
import enum
import math
from collections import deque
from collections.abc import Callable
from typing import Any

import outcome
import trio

__all__ = ("Envelope", "Mailbox", "MessageState")

COMPACT_AT = 64
"""Withdrawn messages that may lie in the queue before it is cleared of them."""


class MessageState(enum.Enum):
    """Where a message stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"


HAS_PLACE, GIVES_WAY = outcome.Value(True), outcome.Value(False)
QUEUED, RUNNING, DONE = MessageState.QUEUED, MessageState.RUNNING, MessageState.DONE


class Envelope:
    """One message on its way: what to call, with what, for whom, in which context and until when."""

    __slots__ = (
        "accepted_s",
        "args",
        "context",
        "counted",
        "deadline_s",
        "handling",
        "kwargs",
        "method",
        "scope",
        "started_s",
        "state",
        "stop_reason",
        "waiter",
    )

    def __init__(
        self,
        method: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: contextvars.Context,
        handling: tuple[Any, ...],
        deadline_s: float = math.inf,
        waiter: trio.lowlevel.Task | None = None,
    ) -> None:
        self.method = method
        self.args = args
        self.kwargs = kwargs
        self.context = context
        self.handling = handling
        self.deadline_s = deadline_s
        self.waiter = waiter
        self.state = QUEUED
        self.scope: trio.CancelScope | None = None
        self.counted = True
        self.accepted_s = 0.0
        self.started_s = 0.0
        self.stop_reason = ""

    @property
    def name(self) -> str:
        """The method's name, for errors and records."""
        return getattr(self.method, "__name__", repr(self.method))


class Mailbox:
    """Messages in order, at most `capacity`; control messages overtake and are not counted against it.

    Servers park here while there is nothing to do, senders while there is no room; both wake in order.
    """

    __slots__ = ("_gone", "_queue", "_senders", "_servers", "capacity", "depth")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.depth = 0
        self._gone = 0
        self._queue: deque[Envelope] = deque()
        self._servers: deque[trio.lowlevel.Task] = deque()
        self._senders: deque[trio.lowlevel.Task] = deque()

    @property
    def full(self) -> bool:
        """Whether the next message has to wait, or wait behind others that do."""
        return self.depth >= self.capacity or bool(self._senders)

    def put(self, envelope: Envelope, *, overtake: bool = False, has_place: bool = False) -> None:
        """Take a message; the caller has seen that there is room, or was given a place by `wait_for_room`."""
        if not has_place:
            self.depth += 1
        if overtake:
            self._queue.appendleft(envelope)
        else:
            self._queue.append(envelope)
        if self._servers:
            trio.lowlevel.reschedule(self._servers.popleft())

    def take(self) -> Envelope | None:
        """Return the next message, or None."""
        while self._queue:
            envelope = self._queue.popleft()
            if envelope.state is QUEUED:
                self._left()
                return envelope
            self._gone -= 1
        return None

    def withdraw(self, envelope: Envelope) -> None:
        """Forget a message that still waits."""
        envelope.state = DONE
        self._gone += 1
        self._left()
        if self._gone > COMPACT_AT + self.depth:
            self._queue = deque(waiting for waiting in self._queue if waiting.state is QUEUED)
            self._gone = 0

    def take_all(self) -> list[Envelope]:
        """Return every message that waits, and forget them."""
        waiting = []
        while (envelope := self.take()) is not None:
            waiting.append(envelope)
        return waiting

    async def wait_for_message(self) -> None:
        """Park until there may be a message."""
        task = trio.lowlevel.current_task()
        self._servers.append(task)

        def withdraw(_: object) -> trio.lowlevel.Abort:
            self._servers.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(withdraw)

    async def wait_for_room(self) -> bool:
        """Park until there is room, behind those who came before.

        Returns:
            True: a place is kept for the caller, to be taken at once. False: look again why there was none.
        """
        task = trio.lowlevel.current_task()
        self._senders.append(task)

        def withdraw(_: object) -> trio.lowlevel.Abort:
            self._senders.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        return bool(await trio.lowlevel.wait_task_rescheduled(withdraw))

    def wake_senders(self) -> None:
        """Wake everybody who waits for room: the actor is gone, or admission has closed."""
        while self._senders:
            trio.lowlevel.reschedule(self._senders.popleft(), GIVES_WAY)

    def _left(self) -> None:
        """Hand the place that came free to the sender who waited longest, if there is one."""
        if self._senders and self.depth <= self.capacity:
            trio.lowlevel.reschedule(self._senders.popleft(), HAS_PLACE)
        else:
            self.depth -= 1
