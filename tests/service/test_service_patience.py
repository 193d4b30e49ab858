"""Calls under way on the server's loop: over in time, late, or left by their client."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvloop
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from rkruntime.errors import RequestRefused
from rkruntime.service._patience import PATIENCE_S, Patience, Waited
from rkruntime.service._routes import ROUTES
from rkruntime.service._routing import Routing

Case = Callable[[asyncio.AbstractEventLoop, Patience], Awaitable[None]]


def run(case: Case) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(30):
            await case(loop, Patience(loop))
            others = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*others, return_exceptions=True)
            assert all(task.cancelled() or task.exception() is None for task in others)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


async def stays() -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize("timeout_s", [PATIENCE_S / 2, PATIENCE_S * 3], ids=["shorter", "longer"])
def test_a_call_that_takes_too_long_is_refused(timeout_s: float) -> None:
    async def case(loop: asyncio.AbstractEventLoop, patience: Patience) -> None:
        future = loop.create_future()
        began = loop.time()
        patience.wait(Waited(future, timeout_s, stays))
        with pytest.raises(RequestRefused) as refused:
            await future
        assert refused.value.status == 504
        assert loop.time() - began > timeout_s * 0.9

    run(case)


def test_a_client_that_leaves_is_noticed_and_one_that_sends_on_is_not() -> None:
    async def case(loop: asyncio.AbstractEventLoop, patience: Patience) -> None:
        messages = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

        async def receive() -> Any:
            return next(messages)

        future = loop.create_future()
        patience.wait(Waited(future, 100.0, receive))
        with pytest.raises(ClientDisconnect):
            await future
        assert next(messages, None) is None

    run(case)


def test_calls_that_are_over_are_neither_watched_nor_kept() -> None:
    async def case(loop: asyncio.AbstractEventLoop, patience: Patience) -> None:
        asked = []

        async def receive() -> Any:
            asked.append(1)
            await stays()

        quick = [loop.create_future() for _ in range(100)]
        for future in quick:
            patience.wait(Waited(future, 100.0, receive))
            future.set_result(None)
        late = loop.create_future()
        patience.wait(Waited(late, PATIENCE_S * 4, receive))
        assert len(patience._young) == 1
        with pytest.raises(RequestRefused):
            await late
        assert asked == [1]

    run(case)


def test_a_path_without_its_method_says_which_it_has() -> None:
    routing = Routing(ROUTES, lambda spec: spec.path)
    assert routing.find("HEAD", "/healthz")[1] == "/healthz"
    spec, _, names = routing.find("POST", "/v1/kernels/a.b/launch")
    assert (spec.path, dict(names)) == ("/v1/kernels/{name}/launch", {"name": "a.b"})
    with pytest.raises(HTTPException) as wrong:
        routing.find("DELETE", "/v1/kernels/a")
    assert (wrong.value.status_code, wrong.value.headers) == (405, {"Allow": "GET, HEAD"})
    for path in ("/", "/v1/kernels/a/b/launch", "/v1/kernels//launch", "/healthz/"):
        if path != "/":
            with pytest.raises(HTTPException) as missing:
                routing.find("GET", path)
            assert missing.value.status_code == 404
