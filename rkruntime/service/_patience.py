"""Calls that take long: whose client leaves, and whose time is over, is looked at once a call has taken 50 ms.

A small launch is over long before, also where many wait for one another: it pays for no timer and no task of its own.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from rkruntime.errors import RequestRefused

__all__ = ("Patience", "Waited", "out_of_time")

PATIENCE_S = 0.05


class Waited:
    """What is waited for.

    Args:
        future: Its result; it gets `RequestRefused` (504) when the time is over, and `ClientDisconnect` when the client
            leaves.
        timeout_s: Seconds that it may take.
        receive: ASGI's, of a request whose body has been read; None where no client is waited for.
    """

    __slots__ = ("begun_s", "future", "receive", "timeout_s")

    def __init__(self, future: asyncio.Future[Any], timeout_s: float, receive: Receive | None) -> None:
        self.future = future
        self.timeout_s = timeout_s
        self.receive = receive
        self.begun_s = 0.0


class Patience:
    """The calls of one event loop, from their beginning until each is over or is watched; for the loop's thread.

    Args:
        loop: The loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._young: deque[Waited] = deque()
        self._looks = False

    def wait(self, call: Waited) -> None:
        """Have an eye on a call, from now on."""
        young = self._young
        while young and young[0].future.done():
            young.popleft()
        call.begun_s = self._loop.time()
        if call.timeout_s <= PATIENCE_S:
            _Watch(self._loop, call)
            return
        young.append(call)
        if not self._looks:
            self._looks = True
            self._loop.call_later(PATIENCE_S, self._look)

    def _look(self) -> None:
        young, now_s = self._young, self._loop.time()
        while young and (young[0].future.done() or young[0].begun_s + PATIENCE_S <= now_s):
            call = young.popleft()
            if not call.future.done():
                _Watch(self._loop, call)
        self._looks = bool(young)
        if young:
            self._loop.call_later(young[0].begun_s + PATIENCE_S - now_s, self._look)


class _Watch:
    """Watches one call until it is over.

    Args:
        loop: The server's.
        call: The call.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, call: Waited) -> None:
        self._call = call
        self._task = None if call.receive is None else loop.create_task(self._wait(call.receive))
        left_s = call.begun_s + call.timeout_s - loop.time()
        self._timer = None if left_s == math.inf else loop.call_later(max(0.0, left_s), self._late)
        call.future.add_done_callback(self._end)

    async def _wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self._call.future.done():
            self._call.future.set_exception(ClientDisconnect())

    def _late(self) -> None:
        if not self._call.future.done():
            self._call.future.set_exception(out_of_time(self._call.timeout_s))

    def _end(self, _: asyncio.Future[Any]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()


def out_of_time(timeout_s: float) -> RequestRefused:
    """Return the refusal of a call that had so many seconds (504)."""
    return RequestRefused(
        504,
        f"the request had {timeout_s:g} s and needed more; its launch was cancelled",
        "ask for less, or for more time with the header Request-Timeout, up to the service's request_timeout",
    )
