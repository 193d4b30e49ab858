"""From the server's asyncio thread to the runtime's Trio thread, and back.

A call crosses by `TrioToken.run_sync_soon`, its answer by `loop.call_soon_threadsafe`. Both sides take what has
gathered at one wake-up, so that under load many calls share the cost of one crossing.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import trio
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from rkruntime.errors import NotRunning, RequestRefused

__all__ = ("Bridge",)

R = TypeVar("R")


class _Call:
    """One call on its way: what to run, in which context, until when; and, later, how it ended."""

    __slots__ = ("args", "context", "error", "function", "future", "result", "scope", "timeout_s", "withdrawn")

    def __init__(
        self,
        function: Callable[..., Awaitable[Any]],
        args: tuple[Any, ...],
        future: asyncio.Future[Any],
        timeout_s: float,
    ) -> None:
        self.function = function
        self.args = args
        self.context = contextvars.copy_context()
        self.future = future
        self.timeout_s = timeout_s
        self.scope: trio.CancelScope | None = None
        self.withdrawn = False
        self.result: Any = None
        self.error: BaseException | None = None


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
        self._asked: deque[_Call] = deque()
        self._crossing = False
        self._answered: deque[_Call] = deque()
        self._returning = False
        self._closed = False

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say to which loop answers go; called once, on its thread, before the first call."""
        self._loop = loop

    # On the asyncio thread

    async def call(
        self,
        function: Callable[..., Awaitable[R]],
        *args: Any,
        timeout_s: float = math.inf,
        receive: Receive | None = None,
    ) -> R:
        """Run `function(*args)` on the Trio thread, in the caller's context, and return its result.

        Cancelling the call cancels it there too; the caller does not wait for its clean-up.

        Args:
            function: What to run.
            args: Its arguments.
            timeout_s: Seconds until it is cancelled.
            receive: ASGI's, of a request whose body has been read: if its client leaves, the call is cancelled.

        Raises:
            ClientDisconnect: The client left.
            NotRunning: The runtime's thread takes no more calls.
            RequestRefused: `timeout_s` passed (504).
        """
        assert self._loop is not None
        call = _Call(function, args, self._loop.create_future(), timeout_s)
        self._asked.append(call)
        if not self._crossing:
            self._crossing = True
            self._soon(self._take)
        watch = None if receive is None else _Watch(self._loop, receive, partial(self._leave, call))
        try:
            return await call.future  # type: ignore[no-any-return]
        except asyncio.CancelledError:
            self._withdraw(call)
            raise
        finally:
            if watch is not None:
                watch.end()

    def _leave(self, call: _Call) -> None:
        """The client has left: nobody waits for the call any more."""
        if not call.future.done():
            call.future.set_exception(ClientDisconnect())
            self._withdraw(call)

    def _withdraw(self, call: _Call) -> None:
        call.withdrawn = True
        self._soon(self._cancel, call)

    def _soon(self, function: Callable[..., None], *args: Any) -> None:
        try:
            self._token.run_sync_soon(function, *args)
        except trio.RunFinishedError:
            raise NotRunning("stopped") from None

    def _give(self) -> None:
        self._returning = False
        while self._answered:
            call = self._answered.popleft()
            if call.future.done():
                continue
            if call.error is not None:
                call.future.set_exception(call.error)
            else:
                call.future.set_result(call.result)

    # On the Trio thread

    def close(self) -> None:
        """Take no more calls: those that come are answered with `NotRunning`."""
        self._closed = True

    def _take(self) -> None:
        self._crossing = False
        while self._asked:
            call = self._asked.popleft()
            if self._closed:
                call.error = NotRunning("stopped")
                self._return(call)
            elif not call.withdrawn:
                call.context.run(self._nursery.start_soon, self._run, call)

    @staticmethod
    def _cancel(call: _Call) -> None:
        if call.scope is not None:
            call.scope.cancel()

    async def _run(self, call: _Call) -> None:
        """Run one call to its end, whatever that is; nothing that it raises harms the others."""
        if call.withdrawn:
            return
        try:
            with trio.CancelScope(relative_deadline=call.timeout_s) as call.scope:
                call.result = await call.function(*call.args)
            if call.scope.cancelled_caught:
                call.error = _out_of_time(call.timeout_s)
        except Exception as error:
            call.error = error
        except trio.Cancelled:
            call.error = NotRunning("stopped")
            raise
        finally:
            self._return(call)

    def _return(self, call: _Call) -> None:
        assert self._loop is not None
        self._answered.append(call)
        if not self._returning:
            self._returning = True
            try:
                self._loop.call_soon_threadsafe(self._give)
            except RuntimeError:  # the loop is closed: nobody waits there any more
                self._answered.clear()


class _Watch:
    """Notices when a client leaves, for a call that takes so long that this is worth a task.

    Args:
        loop: The server's.
        receive: ASGI's.
        left: Called when the client has left.
    """

    PATIENCE_S = 0.01

    def __init__(self, loop: asyncio.AbstractEventLoop, receive: Receive, left: Callable[[], None]) -> None:
        self._loop = loop
        self._receive = receive
        self._left = left
        self._task: asyncio.Task[None] | None = None
        self._timer = loop.call_later(self.PATIENCE_S, self._begin)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left()

    def end(self) -> None:
        """Watch no more."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()


def _out_of_time(timeout_s: float) -> RequestRefused:
    return RequestRefused(
        504,
        f"the request had {timeout_s:g} s and needed more; its launch was cancelled",
        "ask for less, or for more time with the header Request-Timeout, up to the service's request_timeout",
    )
