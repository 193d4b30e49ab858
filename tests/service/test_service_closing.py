"""How the server stops listening: who is connected is taken, who only begins to connect is overlooked."""

import asyncio
import socket

import pytest

from rkruntime.service._closing import LATEST_S, _overlook_new, hear_out, take_all

LOCAL = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
ESTABLISHED, BEGUN = 1, 2  # of the kernel's tcp_states.h


def listening_at(family: int, host: str) -> socket.socket:
    try:
        return socket.create_server((host, 0), family=family, backlog=16)
    except OSError as error:
        pytest.skip(f"there is no {host} here: {error}")


def state_of(connection: socket.socket) -> int:
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


def connecting_to(listening: socket.socket) -> socket.socket:
    made = socket.socket(listening.family)
    made.setblocking(False)
    made.connect_ex(listening.getsockname()[:2])
    return made


@pytest.mark.parametrize(("family", "host"), LOCAL)
def test_who_is_connected_stays_so_and_who_begins_to_connect_is_overlooked(family: int, host: str) -> None:
    with listening_at(family, host) as listening:
        before = [connecting_to(listening) for _ in range(8)]
        _overlook_new(listening)
        late = connecting_to(listening)
        assert [state_of(one) for one in (*before, late)] == [ESTABLISHED] * 8 + [BEGUN]
        listening.settimeout(60)
        for one in before:
            taken, _ = listening.accept()
            one.setblocking(True)
            one.sendall(b"asked")
            assert taken.recv(5) == b"asked"
            taken.sendall(b"answered")
            assert one.recv(8) == b"answered"
            taken.close()
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()
    for one in (*before, late):
        one.close()


def test_a_loop_takes_all_who_wait_before_nobody_is_listened_to() -> None:
    async def run() -> list[bytes]:
        listening = listening_at(*LOCAL[0])
        callers = [connecting_to(listening) for _ in range(8)]
        server = await asyncio.start_server(lambda _, writer: writer.close(), sock=listening, start_serving=True)
        await take_all([listening])
        server.close()
        loop = asyncio.get_running_loop()
        ends = [await loop.sock_recv(caller, 1) for caller in callers]  # in order, and no reset
        for caller in callers:
            caller.close()
        return ends

    assert asyncio.run(run()) == [b""] * 8


@pytest.mark.parametrize("asks_at", [0, 3])
def test_who_has_asked_for_nothing_is_heard_out(asks_at: int) -> None:
    looks = iter(range(1000))
    asyncio.run(hear_out(lambda: next(looks) < asks_at))
    assert next(looks) == asks_at + 1


def test_who_never_asks_holds_the_end_for_a_moment_at_most() -> None:
    async def run() -> float:
        begun_s = asyncio.get_running_loop().time()
        await hear_out(lambda: True)
        return asyncio.get_running_loop().time() - begun_s

    assert asyncio.run(run()) >= LATEST_S
