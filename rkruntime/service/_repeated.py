"""Requests whose head is, byte for byte, that of the one before on their connection: it is not parsed again.

A client that asks for the same over and over on a kept connection sends one head over and over. The parser would make
the same of it each time, and every check of it would end the same: what they made is kept, and the request gets a body
of its own. Only a request that comes in one piece, once the one before has been answered, is taken so. What the head
is, and how long the body, the parser has said of the request before: nothing is taken for a head that it has not read.
"""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from rkruntime.service._certified import CertifiedProtocol

__all__ = ("RepeatingProtocol",)

END = b"\r\n\r\n"


class _Head(NamedTuple):
    """A head that came, with what the parser made of it, and how many bytes it has with its body."""

    text: bytes
    whole_bytes: int
    scope: Any


class RepeatingProtocol(CertifiedProtocol):
    """Takes requests that repeat a head without the parser."""

    _head: _Head | None = None
    _begun = 0
    _is_within = False
    """Whether the parser has been given a part of a request."""

    def data_received(self, data: bytes) -> None:
        """Take a request that repeats a head, or parse what came."""
        head = self._head
        if head is not None:
            if len(data) == head.whole_bytes and data.startswith(head.text) and self.cycle.response_complete:
                self._take_again(head, data)
                return
            self._head = None
        between = not self._is_within
        self._begun = 0
        super().data_received(data)
        if between and self._begun == 1:
            self._head = self._head_of(data)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._is_within = True
        self._begun += 1
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """Have a request as a whole."""
        self._is_within = False
        super().on_message_complete()

    def _head_of(self, data: bytes) -> _Head | None:
        """Return the head of the one request that the parser found in `data`, if the next may repeat it."""
        cycle: RequestResponseCycle | None = self.cycle
        if self._is_within or cycle is None or not cycle.keep_alive or self.expect_100_continue:
            return None
        headers = dict(self.headers)
        body_bytes = int(headers.get(b"content-length", 0))
        head_bytes = data.find(END) + len(END)
        whole = head_bytes + body_bytes == len(data) and cycle.body == data[head_bytes:]
        if not whole or body_bytes > HIGH_WATER_LIMIT or b"transfer-encoding" in headers or b"upgrade" in headers:
            return None
        return _Head(data[:head_bytes], len(data), self.scope)

    def _take_again(self, head: _Head, data: bytes) -> None:
        """Begin a request as uvicorn would at its head, and give it its body."""
        self.scope = head.scope.copy()
        cycle = self.cycle = RequestResponseCycle(
            self.scope,
            self.transport,
            self.flow,
            self.logger,
            self.access_logger,
            self.access_log,
            self.server_state.default_headers,
            asyncio.Event(),
            False,
            True,
            self.on_response_complete,
        )
        cycle.body += data[len(head.text) :]
        cycle.more_body = False
        cycle.message_event.set()
        self._start_asgi_task(cycle, self.app)
