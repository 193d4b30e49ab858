"""One snapshot for all who follow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

__all__ = ("Feed",)

FRESH_S = 0.5


class Feed:
    """The latest snapshot, made once for all who follow; used on the server's thread alone.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.streams = 0
        self._clock = clock
        self._latest = b""
        self._made_s = float("-inf")
        self._making = asyncio.Lock()

    async def latest(self, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the latest snapshot; `make` makes it anew if it is older than half a second."""
        async with self._making:
            if self._clock() - self._made_s > FRESH_S:
                self._latest = await make()
                self._made_s = self._clock()
            return self._latest
