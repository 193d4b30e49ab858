"""uvicorn's account of one request, begun by no more than what differs from request to request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

__all__ = ("Cycle",)


class Cycle(RequestResponseCycle):
    """An account of one request.

    Args:
        protocol: The request's connection.
        scope: ASGI's.
        keep_alive: Whether the connection stays open after the answer.
    """

    disconnected = False
    more_body = True
    response_started = False
    response_complete = False
    chunked_encoding = None
    expected_content_length = 0
    access_log = False

    def __init__(self, protocol: HttpToolsProtocol, scope: Any, *, keep_alive: bool) -> None:
        self.scope = scope
        self.transport = protocol.transport
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.default_headers = protocol.server_state.default_headers
        self.message_event = asyncio.Event()
        self.on_response: Callable[..., None] = protocol.on_response_complete
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = protocol.expect_100_continue
        self.body = bytearray()
