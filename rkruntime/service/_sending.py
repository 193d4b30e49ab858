"""Puts a reply on the wire: its head as every reply has it, then its body, whole or part by part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from functools import lru_cache
from typing import TypeAlias

from starlette.types import Send

from rkruntime.service._answers import Answer, Reply, Streamed
from rkruntime.service._incoming import Exchange

__all__ = ("Headers", "HeadersFor", "Sender", "lines_of")

Header: TypeAlias = tuple[bytes, bytes]
Headers: TypeAlias = Sequence[Header]
HeadersFor: TypeAlias = Callable[[str], Headers]
PAGE = "text/html"
NO_STORE = (b"cache-control", b"no-store")
NO_STORE_LINE = b"cache-control: no-store\r\n"
CLOSE = (b"connection", b"close")


class Sender:
    """Sends replies.

    Args:
        headers_for: Gives the headers that every reply with a body of some media type gets.
    """

    def __init__(self, headers_for: HeadersFor) -> None:
        self._page = tuple(headers_for(PAGE))
        self._other = tuple(headers_for(""))
        self._lines_for = lru_cache(maxsize=64)(self._lines_of_kind)

    async def send(self, exchange: Exchange, reply: Reply, send: Send, *, closes: bool) -> None:
        """Send a reply.

        Args:
            exchange: What it replies to.
            reply: The reply.
            send: ASGI's.
            closes: Whether the connection is to be closed after it.
        """
        cycle = exchange.cycle
        if cycle is not None and isinstance(reply, Answer):
            while cycle.flow.write_paused and not cycle.disconnected:
                await cycle.flow.drain()
            self.send_at_once(exchange, reply, closes=closes)
            return
        headers = [*self._of_kind(reply.kind), (b"x-request-id", exchange.request_id), *_own(reply)]
        length = sum(map(len, reply.pieces)) if isinstance(reply, Answer) else reply.length
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

    def send_at_once(self, exchange: Exchange, reply: Reply, *, closes: bool) -> bool:
        """Send a whole answer to a client that reads, or has left; false where it takes `send`."""
        cycle = exchange.cycle
        if cycle is None or not isinstance(reply, Answer) or (cycle.flow.write_paused and not cycle.disconnected):
            return False
        if not cycle.disconnected:
            lines = self._lines_for(reply.kind) + b"x-request-id: %b\r\n" % exchange.request_id
            lines += lines_of(_own(reply)) if reply.headers else NO_STORE_LINE
            cycle.send_whole(reply.status, lines, reply.pieces, closes=closes)
        return True

    def _of_kind(self, kind: str) -> Headers:
        """Return the headers that every reply of a media type has."""
        return ((b"content-type", kind.encode("latin-1")), *(self._page if kind.startswith(PAGE) else self._other))

    def _lines_of_kind(self, kind: str) -> bytes:
        return lines_of(self._of_kind(kind))


def _own(reply: Reply) -> list[Header]:
    """Return the headers that this reply has for itself."""
    told = reply.headers
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told.items()]
    return headers if "cache-control" in told else [*headers, NO_STORE]


def lines_of(headers: Headers) -> bytes:
    """Write headers as they stand in an answer."""
    return b"".join([b"%s: %s\r\n" % header for header in headers])
