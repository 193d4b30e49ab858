"""Requests that repeat the head before them are not parsed again: whoever serves them must see no difference."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import uvicorn
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.server import ServerState

from rkruntime.config import ServiceConfig
from rkruntime.service._certified import CertifiedProtocol
from rkruntime.service._protocol import guarded
from rkruntime.service._repeated import RepeatingProtocol

TURNS = 20
"""Turns of the loop in which an application that waits for nothing outside has answered."""


class Wire(asyncio.Transport):
    """A connection's other side: what was written to it, and whether it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 5), "sockname": ("127.0.0.1", 6)}.get(name, default)

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Parsing(CertifiedProtocol):
    """Parses every head; counts how many it was given."""

    parsed = 0

    def on_message_begin(self) -> None:
        self.parsed += 1
        super().on_message_begin()


class Repeating(RepeatingProtocol):
    """Parses those that repeat none; counts them."""

    parsed = 0

    def on_message_begin(self) -> None:
        self.parsed += 1
        super().on_message_begin()


def serve(kind: type[Any], pieces: Sequence[bytes]) -> tuple[list[Any], bytes, bool, Any]:
    """Serve what comes in these pieces: return what was asked and answered, whether it was closed, and by whom."""
    asked: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        asked.append(({name: scope[name] for name in sorted(scope)}, body))
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def connection() -> tuple[list[Any], bytes, bool, Any]:
        config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False)
        config.load()
        protocol, wire = kind(config, ServerState(), {}, asyncio.get_running_loop()), Wire()
        protocol.connection_made(wire)
        for piece in pieces:
            if wire.closed:
                break
            protocol.data_received(piece)
            for _ in range(TURNS):
                await asyncio.sleep(0)
        told = (asked, wire.written, wire.closed, protocol)
        protocol.connection_lost(None)
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return told

    return asyncio.run(connection())


def post(body: bytes, *lines: bytes, version: bytes = b"1.1") -> bytes:
    head = [b"POST /a%%20b?c=d HTTP/%b" % version, b"Host: localhost", b"content-length: %d" % len(body), *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def without_date(answers: bytes) -> bytes:
    return b"\r\n".join(line for line in answers.split(b"\r\n") if not line.lower().startswith(b"date:"))


CHUNKED = b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
GET = b"GET /x HTTP/1.1\r\nhost: localhost\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n"
PIECES = (
    *(post(b"ab"), post(b"cd"), post(b"\r\n"), post(b"\r\n\r\n"), post(b"abc"), post(b"")),
    *(post(b"ab", b"x-request-id: 1"), post(b"ab", b"connection: close"), post(b"ab", b"expect: 100-continue")),
    *(post(b"ab", version=b"1.0"), post(b"ab", b"connection: keep-alive", version=b"1.0")),
    *(post(b"ab") + b"\r\n", post(b"\r\n") + b"\r\n", b"\r\n" + post(b"ab"), post(b"ab") + post(b"cd"), b"\r\n\r\n"),
    *(post(b"ab")[:-1], b"b", post(b"ab")[:10], post(b"ab")[10:], post(b"ab") + GET[:5], GET[5:]),
    *(CHUNKED, GET, UPGRADE, b"\n" + GET, GET.replace(b"\r\n", b"\n"), b"no request\r\n\r\n"),
)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=8))
@example([post(b"ab"), post(b"cd"), post(b"ef")])
@example([post(b"\r\n") + b"\r\n", post(b"\r\n") + b"\r\n", b"\r\n" + post(b"ab"), b"\r\n" + post(b"ab")])
@example([post(b"ab"), post(b"ab")[:-1], post(b"ab"), b"b"])
@example([post(b"ab", b"connection: close"), post(b"ab", b"connection: close")])
@settings(deadline=None)
def test_what_is_asked_and_answered_is_as_if_every_head_were_parsed(pieces: list[bytes]) -> None:
    parsed, repeated = serve(Parsing, pieces), serve(Repeating, pieces)
    assert repeated[0] == parsed[0]
    assert without_date(repeated[1]) == without_date(parsed[1])
    assert repeated[2] == parsed[2]


@pytest.mark.parametrize("pieces", [[post(b"ab"), post(b"cd"), post(b"ef")], [GET, GET, GET]], ids=["post", "get"])
def test_a_head_that_is_repeated_is_parsed_once(pieces: list[bytes]) -> None:
    asked, _, _, protocol = serve(Repeating, pieces)
    assert len(asked) == 3
    assert protocol.parsed == 1


@pytest.mark.parametrize(
    "piece",
    [post(b"ab", b"expect: 100-continue"), CHUNKED, post(b"ab") + b"\r\n", post(b"x" * 70_000), post(b"ab") + GET],
    ids=["expect", "chunked", "more-behind", "large", "two-at-once"],
)
def test_what_does_not_come_as_one_plain_piece_is_parsed_each_time(piece: bytes) -> None:
    *_, protocol = serve(Repeating, [piece, piece])
    assert protocol.parsed == 2 * piece.count(b"HTTP/1.1")


def test_bounds_hold_for_heads_that_repeat() -> None:
    large = post(b"ab", b"x: " + b"y" * 40_000)
    asked, answered, closed, _ = serve(guarded(ServiceConfig(), ()), [post(b"ab"), post(b"cd"), large])
    assert [body for _, body in asked][:2] == [b"ab", b"cd"]
    assert b"HTTP/1.1 431" in answered
    assert closed
