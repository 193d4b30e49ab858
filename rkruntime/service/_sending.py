"""Puts a reply on the wire: its head as every reply has it, then its body, whole or part by part."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import TypeAlias

from starlette.types import Send

from rkruntime.service._answers import Answer, Reply, Streamed
from rkruntime.service._incoming import Exchange
from rkruntime.service._whole import cycle_of, send_whole

__all__ = ("HeadersFor", "Sender")

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
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

    async def send(self, exchange: Exchange, reply: Reply, send: Send, *, closes: bool) -> None:
        """Send a reply.

        Args:
            exchange: What it replies to.
            reply: The reply.
            send: ASGI's.
            closes: Whether the connection is to be closed after it.
        """
        headers = self._head(exchange, reply)
        if isinstance(reply, Answer) and (cycle := cycle_of(send)) is not None:
            await send_whole(cycle, reply.status, headers, reply.body, closes=closes)
            return
        length = len(reply.body) if isinstance(reply, Answer) else reply.length
        if length is not None:
            headers.append((b"content-length", b"%d" % length))
        if closes:
            headers.append(CLOSE)
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        if isinstance(reply, Streamed):
            async with aclosing(reply.parts) as parts:
                async for part in parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": reply.body if isinstance(reply, Answer) else b""})

    def _head(self, exchange: Exchange, reply: Reply) -> list[tuple[bytes, bytes]]:
        fixed = self._page if reply.kind.startswith(PAGE) else self._other
        headers = [(b"content-type", reply.kind.encode("latin-1")), (b"x-request-id", exchange.request_id), *fixed]
        told = reply.headers
        if told:
            headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told.items()]
        if "cache-control" not in told:
            headers.append(NO_STORE)
        return headers
