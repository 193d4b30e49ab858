"""Sends an answer that is there as a whole in one piece.

uvicorn's way takes two messages, and looks at every header for what may not be in one. An answer of ours has headers
of ours: most of what its sending costs falls away.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

__all__ = ("Whole", "whole_of")

_NAME = "rkruntime.whole"


class Whole:
    """Answers one request of uvicorn's.

    Args:
        cycle: uvicorn's own account of the request and its answer, which is kept as its `send` would keep it.
    """

    __slots__ = ("_cycle",)

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        scope: Any = cycle.scope
        scope.setdefault("extensions", {})[_NAME] = self

    async def send(self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, *, closes: bool) -> None:
        """Send the answer, where the client is still there.

        Args:
            status: Its status.
            headers: Names in lower case and values, none of which has a line's end in it; neither `connection` nor
                `content-length`.
            body: Its body.
            closes: Whether the connection is closed after it.
        """
        cycle = self._cycle
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


def whole_of(scope: Scope) -> Whole | None:
    """Return what sends whole answers to a request; None on a server that has none."""
    extensions = scope.get("extensions")
    found: Whole | None = None if extensions is None else extensions.get(_NAME)
    return found
