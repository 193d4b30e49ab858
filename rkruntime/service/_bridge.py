"""From the server's asyncio thread to the runtime's Trio thread, and back.

A call crosses by `TrioToken.run_sync_soon`, its answer by `loop.call_soon_threadsafe`. Both threads share the
interpreter's lock, so each first does all it has at hand and then lets what has gathered cross at one go: a thread that
is woken for every call and every answer would mostly wait for that lock.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias, TypeVar

import outcome
import trio
from starlette.types import Receive

from rkruntime.errors import NotRunning
from rkruntime.service._patience import Patience, Waited, out_of_time

__all__ = ("Bridge", "Call", "Soon")

R = TypeVar("R")
Soon: TypeAlias = Callable[..., Callable[[str], None] | None]
"""Begins a call without a task: given what takes its outcome, its context and its arguments, it returns what cancels it
with a reason; or None where that cannot be done now."""
LEFT = "its caller left"


class Call(Waited):
    """One call on its way: what to run, in which context, until when; and, later, how it ended."""

    __slots__ = ("args", "cancel", "context", "function", "outcome", "soon", "withdrawn")

    def __init__(
        self,
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        soon: Soon | None,
        future: asyncio.Future[Any],
        timeout_s: float,
        receive: Receive | None,
    ) -> None:
        super().__init__(future, timeout_s, receive)
        self.function = function
        self.args = args
        self.context = contextvars.copy_context()
        self.soon = soon
        self.cancel: Callable[[str], None] | None = None
        self.withdrawn = False
        self.outcome: outcome.Outcome[Any] | None = None

    def end(self) -> None:
        """Cancel it; on the Trio thread."""
        if self.cancel is not None:
            self.cancel(LEFT)


class Bridge:
    """Runs async functions on the Trio thread for callers on the asyncio thread.

    Made on the Trio thread; `call` is for the asyncio thread alone.

    Args:
        nursery: Where the calls run. It is closed to new calls by `close`, and lives until the last one has ended.
    """

    def __init__(self, nursery: trio.Nursery) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._nursery = nursery
        self._loop: asyncio.AbstractEventLoop | None = None
        self._patience: Patience | None = None
        self._asked: deque[Call] = deque()
        self._crossing = False
        self._answered: deque[Call] = deque()
        self._returning = False
        self._carrier: trio.lowlevel.Task | None = None
        self._under_way = 0
        self._closed = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say to which loop answers go; called once, on its thread, before the first call."""
        self._loop = loop
        self._patience = Patience(loop)

    # On the asyncio thread

    async def call(
        self,
        function: Callable[..., Awaitable[R]],
        *args: Any,
        timeout_s: float = math.inf,
        receive: Receive | None = None,
        soon: Soon | None = None,
    ) -> R:
        """Run `function(*args)` on the Trio thread, in the caller's context, and return its result.

        Cancelling the call cancels it there too; the caller does not wait for its clean-up.

        Args:
            function: What to run.
            args: Its arguments.
            timeout_s: Seconds until it is cancelled.
            receive: ASGI's, of a request whose body has been read: if its client leaves, the call is cancelled.
            soon: Does the same without a task, where it can.

        Raises:
            ClientDisconnect: The client left.
            NotRunning: The runtime's thread takes no more calls.
            RequestRefused: `timeout_s` passed (504).
        """
        call = self.begin(function, args, timeout_s, receive, soon)
        try:
            result: R = await call.future
        finally:
            if call.outcome is None:
                self.withdraw(call)
        return result

    def begin(
        self,
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        timeout_s: float,
        receive: Receive | None,
        soon: Soon | None,
    ) -> Call:
        """Begin a call as `call` does; whoever waits for its `future` withdraws it, if it has no `outcome` by then."""
        loop, patience = self._loop, self._patience
        assert loop is not None
        assert patience is not None
        call = Call(function, args, soon, loop.create_future(), timeout_s, receive)
        self._asked.append(call)
        if not self._crossing:
            self._crossing = True
            loop.call_soon(self._cross)
        patience.wait(call)
        return call

    def follow(self, future: asyncio.Future[R], timeout_s: float, receive: Receive | None) -> asyncio.Future[R]:
        """Give the future an end where the time is over or the client leaves, as `call` does; return it."""
        assert self._patience is not None
        self._patience.wait(Waited(future, timeout_s, receive))
        return future

    def _cross(self) -> None:
        self._crossing = False
        try:
            self._token.run_sync_soon(self._take)
        except trio.RunFinishedError:
            while self._asked:
                self._asked[0].outcome = outcome.Error(NotRunning("stopped"))
                self._answered.append(self._asked.popleft())
            self._give()

    def withdraw(self, call: Call) -> None:
        """Nobody waits for the call any more."""
        call.withdrawn = True
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(call.end)

    def _give(self) -> None:
        while self._answered:
            call = self._answered.popleft()
            told = call.outcome
            if call.future.done() or told is None:
                continue
            if isinstance(told, outcome.Value):
                call.future.set_result(told.value)
            elif isinstance(told, outcome.Error):
                call.future.set_exception(told.error)

    # On the Trio thread

    def close(self) -> None:
        """Take no more calls: those that come are answered with `NotRunning`."""
        self._closed = True
        if self._carrier is not None and not self._returning:
            self._returning = True
            trio.lowlevel.reschedule(self._carrier)

    async def carry(self) -> None:
        """Carry answers back until the bridge is closed and the last call has ended; for a task of its own.

        It runs when every task that was ready beside those that answer has had its turn, so that their answers cross
        together; the last answer of all that are under way need not wait for that.
        """
        task = trio.lowlevel.current_task()

        def stop(_: object) -> trio.lowlevel.Abort:
            self._carrier = None
            return trio.lowlevel.Abort.SUCCEEDED

        while not self._closed or self._under_way:
            self._carrier = task
            await trio.lowlevel.wait_task_rescheduled(stop)
            self._returning = False
            self._hand_back()
        self._carrier = None

    def _take(self) -> None:
        while self._asked:
            call = self._asked.popleft()
            if call.withdrawn:
                continue
            self._under_way += 1
            if self._closed:
                self._return(call, outcome.Error(NotRunning("stopped")))
                continue
            if call.soon is not None:
                try:
                    call.cancel = call.soon(partial(self._return, call), call.context, *call.args)
                except Exception as error:
                    self._return(call, outcome.Error(error))
                    continue
            if call.cancel is None:  # it takes a task
                call.context.run(self._nursery.start_soon, self._run, call)

    async def _run(self, call: Call) -> None:
        """Run one call to its end, whatever that is; nothing that it raises harms the others."""
        told: outcome.Outcome[Any] = outcome.Error(NotRunning("stopped"))
        try:
            with trio.CancelScope(relative_deadline=call.timeout_s) as scope:
                call.cancel = lambda _: scope.cancel()
                if not call.withdrawn:  # since it was taken, before there was a scope to cancel
                    told = outcome.Value(await call.function(*call.args))
            if scope.cancelled_caught:
                told = outcome.Error(out_of_time(call.timeout_s))
        except Exception as error:
            told = outcome.Error(error)
        finally:
            self._return(call, told)

    def _return(self, call: Call, told: outcome.Outcome[Any]) -> None:
        call.outcome = told
        self._under_way -= 1
        self._answered.append(call)
        if self._carrier is None or not self._under_way:
            self._hand_back()
        elif not self._returning:
            self._returning = True
            trio.lowlevel.reschedule(self._carrier)

    def _hand_back(self) -> None:
        if self._loop is None or not self._answered:
            return
        try:
            self._loop.call_soon_threadsafe(self._give)
        except RuntimeError:  # the loop is closed: nobody waits there any more
            self._answered.clear()
