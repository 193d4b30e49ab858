"""Run a coroutine inside the current task, under context variables of its own."""

from __future__ import annotations

import contextvars
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeAlias

__all__ = ("run_in_context",)

Prepare: TypeAlias = Callable[..., Coroutine[Any, Any, Any]]


@types.coroutine
def run_in_context(
    context: contextvars.Context, on_wait: Callable[[], None], prepare: Prepare, *args: Any
) -> Generator[Any, Any, Any]:
    """Await the coroutine that `prepare(*args)` makes, with every step taken in `context`.

    Each step runs the coroutine in its context and hands what it yields on to Trio, which is what a task does itself.
    Trio resumes a task by sending alone (errors travel inside what is sent), so nothing has to be thrown in.
    `on_wait` is called when it waits for the first time.
    """
    enter = context.run
    coroutine = enter(prepare, *args)
    send = coroutine.send
    try:
        wanted = enter(send, None)
        on_wait()
        while True:
            wanted = enter(send, (yield wanted))
    except StopIteration as stop:
        return stop.value
    except GeneratorExit:
        coroutine.close()
        raise
