"""An actor's address: ask it, tell it, stop it. Typed by the method that the message names."""

from __future__ import annotations

import contextvars
import math
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import trio

from rkruntime.actors._actor import Actor
from rkruntime.actors._cell import Cell
from rkruntime.actors._mailbox import DONE, Answer, Envelope
from rkruntime.actors._turn import TURNS, Turn, turns_at_work
from rkruntime.errors import ActorStopped, AskCycle, DeadlineExceeded, Overloaded

__all__ = ("Ref",)

A = TypeVar("A", bound=Actor)
P = ParamSpec("P")
R = TypeVar("R")


class Ref(Generic[A]):
    """The address of one actor; it stays good through restarts."""

    __slots__ = ("_cell",)

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    @property
    def name(self) -> str:
        """The actor's name."""
        return self._cell.name

    def ask(
        self, method: Callable[Concatenate[A, P], Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Send a message and wait for its handler's result.

        The caller's deadline and context variables travel with the message. If the caller is cancelled, a message that
        still waits is withdrawn, and a handler that runs is cancelled; the caller does not wait for its clean-up.

        Args:
            method: An async method of the actor's class, such as `Heat.step`.
            args: Its arguments after `self`, handed over as they are.
            kwargs: The same, by name.

        Raises:
            ActorCrashed: The handler raised; the cause is attached.
            ActorStopped: The actor is gone.
            AskCycle: The actor is waiting for this very handler.
            DeadlineExceeded: The caller's deadline passed.
            Draining: The runtime takes nothing new.
            MessageCancelled: A drain's deadline cancelled it, or the actor restarts with one that crashed.
            Overloaded: The mailbox is full, and refuses.
            TypeError: `method` is no message of the actor, or the arguments do not fit it; the actor lives on.
        """
        return self._ask(method, args, kwargs, urgent=False)

    def control(
        self, method: Callable[Concatenate[A, P], Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]:
        """Ask with a control message: it goes before all others that wait, and a full mailbox takes it."""
        return self._ask(method, args, kwargs, urgent=True)

    def ask_soon(
        self,
        answer: Answer,
        method: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: contextvars.Context,
    ) -> Callable[[str], None]:
        """Ask from outside any task, as another thread's calls do that come by `trio.lowlevel.TrioToken`; never waits.

        No deadline travels with the message: whoever asks has no cancel scope, and cancels in time.

        Args:
            answer: Called once with an `outcome.Outcome`, on the Trio thread: the handler's result, or what `ask` would
                raise. It must not raise.
            method: An async method of the actor's class.
            args: Its arguments after `self`, handed over as they are.
            kwargs: The same, by name.
            context: The context variables that the handler sees; no other code may run in it meanwhile.

        Returns:
            What cancels the message, queued or running, with a reason; harmless once it is over.

        Raises:
            Overloaded: The mailbox is full, whatever its policy.
            ActorStopped, Draining, TypeError: As for `ask`.
        """
        cell = self._cell
        call = cell._methods.get(method) or cell.method(method)
        if not self._has_room():
            raise Overloaded(cell.name, cell.mailbox.capacity)
        envelope = Envelope(call, args, kwargs, context, (), math.inf, answer)
        self._accept(envelope, urgent=False, has_place=False)
        return partial(cell.cancel, envelope)

    async def tell(
        self, method: Callable[Concatenate[A, P], Awaitable[Any]], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Send a message and return once the mailbox has taken it; a crash of its handler shows in `last_error`.

        Raises:
            ActorStopped, Draining, Overloaded, TypeError: As for `ask`.
        """
        cell = self._cell
        call = cell._methods.get(method) or cell.method(method)
        has_place = not self._has_room() and await self._wait_for_room()
        envelope = Envelope(call, args, kwargs, contextvars.copy_context(), ())
        self._accept(envelope, urgent=False, has_place=has_place)
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def stop(self) -> None:
        """Stop the actor and wait until it has: the message at hand is cancelled, those that wait are refused."""
        await self._cell.system.stop_actor(self._cell)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {self._cell.spec.kind.__name__}, {self._cell.state}>"

    async def _ask(
        self, method: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], *, urgent: bool
    ) -> Any:
        cell = self._cell
        call = cell._methods.get(method) or cell.method(method)
        above: tuple[Turn, ...] = ()
        if TURNS.get():
            above = turns_at_work()
            self._check_cycle(above)
        has_place = not (urgent or self._has_room()) and await self._wait_for_room()
        if urgent:
            self._check_admission()
        envelope = Envelope(
            call,
            args,
            kwargs,
            contextvars.copy_context(),
            above,
            trio.current_effective_deadline(),
            partial(trio.lowlevel.reschedule, trio.lowlevel.current_task()),
        )
        self._accept(envelope, urgent=urgent, has_place=has_place)

        def withdraw(_: object) -> trio.lowlevel.Abort:
            envelope.answer = None
            if envelope.state is not DONE:
                cell.cancel(envelope, "its caller was cancelled")
            return trio.lowlevel.Abort.SUCCEEDED

        try:
            return await trio.lowlevel.wait_task_rescheduled(withdraw)
        except DeadlineExceeded:
            await trio.lowlevel.checkpoint()  # where the caller's own scope has expired too, that is what it expects
            raise

    def _has_room(self) -> bool:
        cell = self._cell
        if cell.state == "stopped" or cell.system.refusal is not None:
            self._check_admission()
        return not cell.mailbox.full

    async def _wait_for_room(self) -> bool:
        """Wait until the mailbox has room; True where a place is kept for the caller."""
        cell = self._cell
        while not self._has_room():
            if cell.spec.refuses or self._is_held_up_by(turns_at_work()):
                raise Overloaded(cell.name, cell.mailbox.capacity)
            if await cell.mailbox.wait_for_room():
                try:
                    self._check_admission()
                except BaseException:
                    cell.mailbox.give_place()
                    raise
                return True
        return False

    def _is_held_up_by(self, turns: tuple[Turn, ...]) -> bool:
        """Whether the actor can do nothing before these turns are over."""
        return sum(turn.cell is self._cell for turn in turns) >= self._cell.spec.concurrency

    def _check_cycle(self, turns: tuple[Turn, ...]) -> None:
        if self._is_held_up_by(turns):
            raise AskCycle(self.name, tuple(turn.cell.name for turn in turns))

    def _check_admission(self) -> None:
        cell = self._cell
        if cell.state == "stopped":
            raise ActorStopped(cell.name, cell.stop_reason)
        if cell.system.refusal is not None and not turns_at_work():
            raise cell.system.refusal()

    def _accept(self, envelope: Envelope, *, urgent: bool, has_place: bool) -> None:
        cell = self._cell
        log = cell.system.message_log
        if log is not None:
            envelope.came_s = log.now()
        if envelope.deadline_s != math.inf:
            envelope.accepted_s = trio.current_time()
        cell.system.ledger.accept(cell, envelope)
        cell.mailbox.put(envelope, urgent=urgent, has_place=has_place)
