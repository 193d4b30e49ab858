"""A transport that sends what one turn of the loop writes as one piece.

uvicorn writes header and body of an answer apart. Each write is a system call for which the interpreter's lock is let
go, and with a second busy thread each of them may have to wait to get it back.
"""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ("Corked",)

MOST_BYTES = 64 * 1024
"""What is larger is sent as it is, without being copied."""


class Corked:
    """Stands in the place of a transport.

    Args:
        transport: The connection's.
        loop: Its loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Send by the end of this turn of the loop, in order."""
        if len(data) > MOST_BYTES:
            self.flush()
            self._transport.write(data)
            return
        if not self._pending:
            self._loop.call_soon(self.flush)
        self._pending.append(data)

    def flush(self) -> None:
        """Send what is held."""
        if self._pending:
            pending, self._pending = self._pending, []
            self._transport.write(b"".join(pending) if len(pending) > 1 else pending[0])

    def close(self) -> None:
        """Send what is held, and close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
