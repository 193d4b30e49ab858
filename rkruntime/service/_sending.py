"""Puts a reply on the wire: its head as every reply has it, then its body, whole or part by part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias

from starlette.types import Send

from rkruntime.service._answers import Answer, Reply, Streamed
from rkruntime.service._incoming import Exchange
from rkruntime.service._whole import cycle_of, send_whole

__all__ = ("Headers", "HeadersFor", "Sender", "lines_of")

Header: TypeAlias = tuple[bytes, bytes]
Headers: TypeAlias = Sequence[Header]
HeadersFor: TypeAlias = Callable[[str], Headers]
PAGE = "text/html"
NO_STORE = (b"cache-control", b"no-store")
CLOSE = (b"connection", b"close")


class Sender:
    """Sends replies.

    Args:
        headers_for: Gives the headers that every reply with a body of some media type gets.
    """

    def __init__(self, headers_for: HeadersFor) -> None:
        self._page = tuple(headers_for(PAGE))
        self._other = tuple(headers_for(""))
        self._page_lines = lines_of(self._page)
        self._other_lines = lines_of(self._other)

    async def send(self, exchange: Exchange, reply: Reply, send: Send, *, closes: bool) -> None:
        """Send a reply.

        Args:
            exchange: What it replies to.
            reply: The reply.
            send: ASGI's.
            closes: Whether the connection is to be closed after it.
        """
        if isinstance(reply, Answer) and (cycle := cycle_of(send)) is not None:
            if cycle.flow.write_paused and not cycle.disconnected:
                await cycle.flow.drain()
            if not cycle.disconnected:
                send_whole(cycle, reply.status, self._head_lines(exchange, reply), reply.body, closes=closes)
            return
        headers = [*_own(exchange, reply), *(self._page if reply.kind.startswith(PAGE) else self._other)]
        length = len(reply.body) if isinstance(reply, Answer) else reply.length
        if length is not None:
            headers.append((b"content-length", b"%d" % length))
        if closes:
            headers.append(CLOSE)
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if isinstance(reply, Streamed):
            async with aclosing(reply.parts) as parts:
                if exchange.scope["method"] != "HEAD":  # which asks for no part, and there may be no last one
                    async for part in parts:
                        await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": reply.body if isinstance(reply, Answer) else b""})

    def _head_lines(self, exchange: Exchange, reply: Answer) -> bytes:
        fixed = self._page_lines if reply.kind.startswith(PAGE) else self._other_lines
        return lines_of(_own(exchange, reply)) + fixed


def _own(exchange: Exchange, reply: Reply) -> list[Header]:
    """Return the headers that this reply has for itself."""
    told = reply.headers
    headers = [(b"content-type", reply.kind.encode("latin-1")), (b"x-request-id", exchange.request_id)]
    headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told.items()]
    return headers if "cache-control" in told else [*headers, NO_STORE]


def lines_of(headers: Headers) -> bytes:
    """Write headers as they stand in an answer."""
    return b"".join([b"%s: %s\r\n" % header for header in headers])
