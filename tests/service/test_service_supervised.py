"""The server's thread under its supervisor, in this process."""

import contextlib
import socket
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
import trio

from rkruntime.config import load_config
from rkruntime.errors import AddressUnavailable, RkError, ServiceFailed
from rkruntime.runtime import State
from rkruntime.service import Service
from rkruntime.service._state import Heart


def make_service(*, environ: Mapping[str, str] = {}, **settings: object) -> Service:
    told = {"service.port": 0, "runtime.device": "cpu", "runtime.worker_threads": 1, **settings}
    return Service(load_config(arguments=told, environ={}).config, {}, environ=environ)


def only(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        (group,) = group.exceptions
    return group


async def test_if_the_server_ends_the_runtime_drains_and_says_why() -> None:
    service = make_service()
    with pytest.raises(BaseExceptionGroup) as raised, trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            assert service.runtime.state is State.RUNNING
            assert service._server is not None
            service._server.end()  # nobody asked for a drain: to the supervisor, its thread ended by itself
    assert isinstance(only(raised.value), ServiceFailed)
    assert service.runtime.state is State.STOPPED
    assert service.runtime.report is not None


async def test_a_runtime_that_cannot_start_ends_the_server_too() -> None:
    service = make_service(**{"runtime.gpu_enabled": True, "runtime.device": "cuda"})
    with pytest.raises(RkError), trio.fail_after(60):
        await service.run()
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.1:{service.address[1]}/healthz")


async def test_a_service_that_is_cancelled_ends() -> None:
    service = make_service()
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://127.0.0.1:{service.address[1]}/readyz")
                assert answer.status_code == 200
            nursery.cancel_scope.cancel()
    assert service.runtime.state is State.STOPPED


async def test_a_taken_address_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = make_service(**{"service.port": taken.getsockname()[1]})
        with pytest.raises(AddressUnavailable):
            await service.run()
    assert service.runtime.state is State.CREATED


async def test_a_loop_that_stands_still_is_told_to_probes_and_not_to_systemd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as systemd, trio.fail_after(60):
        systemd.bind(str(tmp_path / "notify"))
        service = make_service(environ={"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000"})
        async with trio.open_nursery() as nursery:
            await nursery.start(service.run)
            assert asked_blocking(service, "/healthz").status_code == 200
            monkeypatch.setattr(Heart, "STOPPED_AFTER_S", 0.3)
            while asked_blocking(service, "/healthz").status_code == 200:
                pass
            assert asked_blocking(service, "/healthz").json()["loop"] == "has not turned for 15 s"
            received(systemd)
            for _ in range(50):
                assert asked_blocking(service, "/readyz").status_code == 503
            assert received(systemd) == []
            while b"WATCHDOG=1" not in received(systemd):
                await trio.lowlevel.checkpoint()
            monkeypatch.undo()  # a busy machine may take longer to ask than the loop may stand still here
            assert asked_blocking(service, "/healthz").status_code == 200
            nursery.cancel_scope.cancel()


def asked_blocking(service: Service, path: str) -> httpx.Response:
    """Ask without a checkpoint: meanwhile the loop stands still."""
    return httpx.get(f"http://127.0.0.1:{service.address[1]}{path}")


def received(systemd: socket.socket) -> list[bytes]:
    """Return what has come so far."""
    told = []
    with contextlib.suppress(BlockingIOError):
        while True:
            told.append(systemd.recv(4096))
    return told
