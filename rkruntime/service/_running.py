"""Runs a request's coroutine without a task: most wait once, for one future, and pay for no more than that.

A task has its place in a set of all tasks, its first step in a turn of its own, and a callback at its end. What asks
asyncio for the task that it is in, as its timeouts do, goes on in one: see `in_task`.
"""

from __future__ import annotations

import asyncio
import contextvars
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

__all__ = ("Run", "in_task")

TASK = object()
"""What a coroutine yields that has to go on in a task."""
Ended = Callable[["Run", BaseException | None], None]


class Run:
    """One coroutine on its way.

    Args:
        loop: The loop whose thread runs it.
        coroutine: What to run; it waits for futures of that loop.
        ended: Called once at its end, with what it raised.
    """

    __slots__ = ("_context", "_coroutine", "_ended", "_loop", "_waits_for")

    def __init__(self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None], ended: Ended) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._ended = ended
        self._context = contextvars.copy_context()
        self._waits_for: asyncio.Future[Any] | None = None

    def begin(self) -> None:
        """Run it until it waits for the first time."""
        self._context.run(self._go_on)

    def _go_on(self, _: asyncio.Future[Any] | None = None) -> None:
        """Run it in its context until it waits again: it takes the result of what it waited for by itself."""
        self._waits_for = None
        try:
            wanted = self._coroutine.send(None)
        except StopIteration:
            self._end(None)
        except BaseException as error:
            self._end(error)
        else:
            if wanted is TASK:
                task = self._loop.create_task(_rest_of(self._coroutine), context=self._context)
                self._waits_for = task
                task.add_done_callback(self._end_with)
            elif wanted is None:
                self._loop.call_soon(self._go_on, context=self._context)
            else:
                wanted._asyncio_future_blocking = False  # as a task says that it has taken notice
                self._waits_for = wanted
                wanted.add_done_callback(self._go_on, context=self._context)

    def cancel(self, msg: object = None) -> None:
        """Cancel it, as a task would be."""
        if self._waits_for is not None:
            self._waits_for.cancel(msg)

    def _end_with(self, task: asyncio.Future[None]) -> None:
        self._end(asyncio.CancelledError() if task.cancelled() else task.exception())

    def _end(self, error: BaseException | None) -> None:
        ended = self._ended
        del self._coroutine, self._ended  # which refer to it
        ended(self, error)


@types.coroutine
def in_task() -> Generator[Any, Any, None]:
    """Go on in a task, where this runs without one."""
    if asyncio.current_task() is None:
        yield TASK


@types.coroutine
def _rest_of(coroutine: Coroutine[Any, Any, None]) -> Generator[Any, Any, None]:
    yield from coroutine
