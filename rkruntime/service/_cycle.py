"""uvicorn's account of one request, which takes a body and sends an answer that are there as a whole in one piece.

uvicorn's way takes messages in tasks' turns, and looks at every header for what may not be in one. An answer of ours
has headers of ours: most of what a request costs falls away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

__all__ = ("Cycle",)


class Cycle(RequestResponseCycle):
    """An account of one request, begun by no more than what differs from request to request.

    Args:
        protocol: The request's connection.
        scope: ASGI's.
        headers: The request's, by their names in lower case; of several with one name the last.
        keep_alive: Whether the connection stays open after the answer.

    Attributes:
        event: Who waits for more of the request is woken by it; None where nobody ever did, as for most.
    """

    event: asyncio.Event | None = None
    taken = False
    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding = None
    expected_content_length = 0
    access_log = False

    def __init__(
        self, protocol: HttpToolsProtocol, scope: Any, headers: dict[bytes, bytes], *, keep_alive: bool
    ) -> None:
        self.scope = scope
        self.told = headers
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.default_headers = protocol.server_state.default_headers
        self.on_response: Callable[..., None] = protocol.on_response_complete
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = protocol.expect_100_continue
        self.body = bytearray()

    @property
    def message_event(self) -> asyncio.Event:  # type: ignore[override]  # uvicorn makes one for every request
        """What uvicorn's `receive` waits for: that something came which is not taken yet, or that the request ended."""
        if self.event is None:
            self.event = asyncio.Event()
            if self.body or not (self.more_body or self.taken):
                self.event.set()
        return self.event

    def take_whole(self) -> bytearray | None:
        """Take the body where it has come as a whole and nobody has asked for any of it, as `receive` would."""
        if self.more_body or self.disconnected or self.response_complete or self.waiting_for_100_continue:
            return None
        body, self.body = self.body, bytearray()
        self.taken = True
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.event is not None:
            self.event.clear()
        return body

    def send_whole(self, status: int, head: bytes, pieces: Sequence[bytes], *, closes: bool) -> None:
        """Send an answer to a client that is neither gone nor slow to read, and keep account of it as `send` would.

        Args:
            status: The answer's status.
            head: Its headers' lines, each with its end; neither `connection` nor `content-length` is among them.
            pieces: Its body, in pieces; several are sent as they are.
            closes: Whether the connection is closed after it.
        """
        self.response_started, self.waiting_for_100_continue = True, False
        if closes:
            self.keep_alive = False
        lines = [STATUS_LINE[status]]
        for name, value in self.default_headers:
            lines += (name, b": ", value, b"\r\n")
        lines += (head, b"content-length: %d\r\n" % sum(map(len, pieces)))
        lines.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        if self.scope["method"] == "HEAD":
            pieces = ()
        if len(pieces) == 1:
            lines += pieces
        self.transport.write(b"".join(lines))
        if len(pieces) > 1:
            self.transport.writelines(pieces)
        self.response_complete = True
        if self.event is not None:
            self.event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
