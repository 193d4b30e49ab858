"""Requests' coroutines that run without a task, or go on in one."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from typing import Any, cast

import pytest
import uvloop

from rkruntime.service._answers import Answer, Reply
from rkruntime.service._app import Endpoint, in_tasks
from rkruntime.service._incoming import Exchange
from rkruntime.service._routes import ROUTES
from rkruntime.service._running import Run, in_task

HERE: ContextVar[str] = ContextVar("here", default="outside")


def outcome_of(make: Callable[[], Coroutine[Any, Any, None]], meanwhile: Callable[[Run], None] | None = None) -> Any:
    """Run a coroutine to its end, and return what it raised."""

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        over: asyncio.Future[Any] = loop.create_future()
        run = Run(loop, make(), lambda run, error: over.set_result((run, error)))
        # Not in this task: what it is in depends on that.
        loop.call_soon(run.begin)
        if meanwhile is not None:
            loop.call_later(0.01, meanwhile, run)
        async with asyncio.timeout(30):
            ended, error = await over
        assert ended is run
        assert HERE.get() == "outside"
        return error

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())


def soon(value: Any) -> Awaitable[Any]:
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_exception if isinstance(value, Exception) else future.set_result, value)
    return future


def test_it_gets_results_and_errors_of_futures_in_one_context() -> None:
    async def body() -> None:
        HERE.set("inside")
        assert asyncio.current_task() is None
        assert await soon(1) == 1
        await asyncio.sleep(0)
        with pytest.raises(ValueError, match="2"):
            await soon(ValueError("2"))
        assert await asyncio.to_thread(HERE.get) == "inside"
        assert HERE.get() == "inside"

    assert outcome_of(body) is None


def test_what_it_raises_is_told() -> None:
    async def at_once() -> None:
        raise KeyError(1)

    async def later() -> None:
        await soon(1)
        raise KeyError(2)

    async def in_a_task() -> None:
        await in_task()
        raise KeyError(3)

    for number, body in enumerate((at_once, later, in_a_task), 1):
        error = outcome_of(body)
        assert isinstance(error, KeyError)
        assert error.args == (number,)


def test_timeouts_work_in_a_task_that_goes_on_where_it_was() -> None:
    async def body() -> None:
        HERE.set("inside")
        await soon(1)
        await in_task()
        assert asyncio.current_task() is not None
        await in_task()
        assert HERE.get() == "inside"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        assert await soon(2) == 2

    assert outcome_of(body) is None


def test_what_others_put_around_routes_runs_in_a_task() -> None:
    def wrap(_: Any, inner: Endpoint) -> Endpoint:
        async def outer(exchange: Exchange) -> Reply:
            async with asyncio.timeout(30):
                return await inner(exchange)

        return outer

    async def inner(_: Exchange) -> Reply:
        return Answer(b"{}")

    async def body() -> None:
        exchange = cast("Exchange", None)
        reply = await in_tasks(wrap)(ROUTES[0], inner)(exchange)
        assert reply.status == 200

    assert outcome_of(body) is None


@pytest.mark.parametrize("needs_task", [False, True], ids=["alone", "in-a-task"])
def test_it_is_cancelled_where_it_waits(needs_task: bool) -> None:
    cleaned = []

    async def body() -> None:
        if needs_task:
            await in_task()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    assert isinstance(outcome_of(body, lambda run: run.cancel("the end")), asyncio.CancelledError)
    assert cleaned == [True]
