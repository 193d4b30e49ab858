"""Takes a body and sends an answer that are there as a whole, each in one piece.

uvicorn's way takes messages in tasks' turns, and looks at every header for what may not be in one. An answer of ours
has headers of ours: most of what a request costs falls away.
"""

from __future__ import annotations

from starlette.types import Receive
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

__all__ = ("cycle_of", "has_body", "send_whole", "take_body")


def cycle_of(asgi: Receive) -> RequestResponseCycle | None:
    """Return uvicorn's account of the request that an ASGI callable is for; None where another server gave it."""
    cycle = getattr(asgi, "__self__", None)
    return cycle if isinstance(cycle, RequestResponseCycle) else None


def has_body(cycle: RequestResponseCycle) -> bool:
    """Whether a request's body has come as a whole, and nobody has asked for any of it."""
    return not (cycle.more_body or cycle.disconnected or cycle.response_complete or cycle.waiting_for_100_continue)


def take_body(cycle: RequestResponseCycle) -> bytearray:
    """Take the body that has come, and keep uvicorn's account as its own `receive` would."""
    body: bytearray = cycle.body
    cycle.body = bytearray()
    cycle.flow.resume_reading()
    cycle.message_event.clear()
    return body


def send_whole(cycle: RequestResponseCycle, status: int, head: bytes, body: bytes, *, closes: bool) -> None:
    """Send an answer to a client that reads, and keep uvicorn's account as its own `send` would.

    Args:
        cycle: The request's account; its client is neither gone nor slow to read.
        status: The answer's status.
        head: Its headers' lines, each with its end; neither `connection` nor `content-length` is among them.
        body: Its body.
        closes: Whether the connection is closed after it.
    """
    cycle.response_started, cycle.waiting_for_100_continue = True, False
    if closes:
        cycle.keep_alive = False
    lines = [STATUS_LINE[status]]
    for name, value in cycle.default_headers:
        lines += (name, b": ", value, b"\r\n")
    lines += (head, b"content-length: %d\r\n" % len(body))
    lines.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
    if cycle.scope["method"] != "HEAD":
        lines.append(body)
    cycle.transport.write(b"".join(lines))
    cycle.response_complete = True
    cycle.message_event.set()
    if not cycle.keep_alive:
        cycle.transport.close()
    cycle.on_response()
