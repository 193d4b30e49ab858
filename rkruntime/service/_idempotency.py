"""Answers kept by the key that their request carried, so that a launch that is asked for again is not run again.

The header and its meaning: IETF draft "The Idempotency-Key HTTP Header Field"
(draft-ietf-httpapi-idempotency-key-header).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import TypeAlias

import attrs

from rkruntime.errors import RequestRefused
from rkruntime.service._answers import Answer, Reply

__all__ = ("Answers", "fingerprint")

Place: TypeAlias = tuple[str, str, str]
"""Who asks, for what, under which key."""
Wait: TypeAlias = Callable[[asyncio.Future[Answer | None]], Awaitable[Answer | None]]
REPLAYED = {"idempotent-replayed": "true"}


@attrs.define(eq=False)
class _Entry:
    fingerprint: bytes
    until_s: float
    answer: asyncio.Future[Answer | None]


def fingerprint(body: bytes | bytearray, *rest: str) -> bytes:
    """Return what tells one request from another under the same key."""
    digest = blake2b(body, digest_size=16)
    for text in rest:
        digest.update(b"\0" + text.encode())
    return digest.digest()


class Answers:
    """The answers of one service; for the server's thread alone.

    Args:
        window_s: Seconds for which an answer is kept.
        most_bytes: Bytes of all answers kept; the oldest go first.
        clock: Seconds that only grow.
    """

    def __init__(self, window_s: float, most_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._window_s = window_s
        self._most_bytes = most_bytes
        self._clock = clock
        self._entries: OrderedDict[Place, _Entry] = OrderedDict()
        self.held_bytes = 0

    async def once(self, place: Place, of: bytes, make: Callable[[], Awaitable[Reply]], wait: Wait) -> Reply:
        """Return the answer that is kept, or that another request is about to get; else make it, and keep it.

        What failed is not kept, and what does not fit in neither: it is made again.

        Args:
            place: Whose request, for what, under which key.
            of: Its fingerprint.
            make: Makes the answer.
            wait: Waits for another request's answer, for as long as this one may and its client is there.

        Raises:
            RequestRefused: The key stands for another request (422), or `wait` came to its end (504).
        """
        while True:
            self._forget()
            entry = self._entries.get(place)
            if entry is None:
                return await self._make(place, of, make)
            if entry.fingerprint != of:
                why = "this Idempotency-Key was sent with another request before"
                raise RequestRefused(422, why, "give each launch a key of its own")
            kept = await wait(asyncio.shield(entry.answer))
            if kept is not None:
                return Answer(kept.body, kept.status, kept.kind, {**kept.headers, **REPLAYED})

    async def _make(self, place: Place, of: bytes, make: Callable[[], Awaitable[Reply]]) -> Reply:
        entry = _Entry(of, self._clock() + self._window_s, asyncio.get_running_loop().create_future())
        self._entries[place] = entry
        try:
            kept = await _gathered(await make())
            if len(kept.body) <= self._most_bytes // 4:
                self.held_bytes += len(kept.body)
                entry.answer.set_result(kept)
            return kept
        finally:
            if not entry.answer.done():
                entry.answer.set_result(None)
                self._entries.pop(place, None)

    def _forget(self) -> None:
        """Forget what is too old, and then the oldest until the rest fits."""
        now_s = self._clock()
        for place, entry in list(self._entries.items()):
            if not entry.answer.done():
                continue
            kept = entry.answer.result()
            if entry.until_s > now_s and self.held_bytes <= self._most_bytes:
                return
            del self._entries[place]
            self.held_bytes -= len(kept.body) if kept is not None else 0


async def _gathered(reply: Reply) -> Answer:
    """Return a reply as a whole."""
    if isinstance(reply, Answer):
        return reply
    return Answer(b"".join([part async for part in reply.parts]), reply.status, reply.kind, reply.headers)
