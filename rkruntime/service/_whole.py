"""Sends an answer that is there as a whole in one piece.

uvicorn's way takes two messages, and looks at every header for what may not be in one. An answer of ours has headers
of ours: most of what its sending costs falls away.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

__all__ = ("cycle_of", "send_whole")


def cycle_of(send: Send) -> RequestResponseCycle | None:
    """Return uvicorn's account of the request that an ASGI `send` answers; None where another server gave it."""
    cycle = getattr(send, "__self__", None)
    return cycle if isinstance(cycle, RequestResponseCycle) else None


async def send_whole(
    cycle: RequestResponseCycle, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, *, closes: bool
) -> None:
    """Send an answer, where the client is still there, and keep uvicorn's account as its own `send` would.

    Args:
        cycle: The request's account.
        status: The answer's status.
        headers: Names in lower case and values, none of which has a line's end in it; neither `connection` nor
            `content-length`.
        body: Its body.
        closes: Whether the connection is closed after it.
    """
    if cycle.flow.write_paused and not cycle.disconnected:
        await cycle.flow.drain()
    if cycle.disconnected:
        return
    cycle.response_started, cycle.waiting_for_100_continue = True, False
    if closes:
        cycle.keep_alive = False
    pieces = [STATUS_LINE[status]]
    for name, value in (*cycle.default_headers, *headers):
        pieces += (name, b": ", value, b"\r\n")
    pieces.append(b"content-length: %d\r\n" % len(body))
    pieces.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
    if cycle.scope["method"] != "HEAD":
        pieces.append(body)
    cycle.transport.write(b"".join(pieces))
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
