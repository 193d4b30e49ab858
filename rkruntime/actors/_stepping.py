"""Run a coroutine inside the current task, under context variables of its own."""

from __future__ import annotations

import contextvars
import types
from collections.abc import Awaitable, Callable, Generator
from typing import Any

__all__ = ("run_in_context",)


@types.coroutine
def run_in_context(
    context: contextvars.Context, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Generator[Any, Any, Any]:
    """Await `function(*args, **kwargs)` with every step taken in `context`.

    Each step runs the coroutine in its context and hands what it yields on to Trio, which is what a task does itself.
    Trio resumes a task by sending alone (errors travel inside what is sent), so nothing has to be thrown in.
    """
    enter = context.run
    coroutine: Any = enter(function, *args, **kwargs)
    send = coroutine.send
    try:
        wanted = enter(send, None)
        while True:
            wanted = enter(send, (yield wanted))
    except StopIteration as stop:
        return stop.value
    finally:
        coroutine.close()
