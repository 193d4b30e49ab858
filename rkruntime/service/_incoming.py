"""A request as it arrives: who asks, until when it is to be answered, and what of its body has been read."""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from rkruntime.errors import RequestRefused
from rkruntime.service._limits import Held, Limits
from rkruntime.service._whole import cycle_of, has_body, take_body
from rkruntime.units import parse_seconds

__all__ = ("Exchange", "Incoming", "deadline_of", "id_of")

GOOD_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

BEGINNING_BYTES = 20_000
"""Bytes in which the header of an array has to be whole."""
DISCARD_S = 2.0
DISCARDED_BYTES = 64 * 2**20

Check: TypeAlias = Callable[[bytearray], None]


def deadline_of(incoming: Incoming, most_s: float) -> float:
    """Return when the request is to be answered, by `time.monotonic`: its header Request-Timeout, `most_s` at most.

    Raises:
        RequestRefused: The header is no time (400).
    """
    asked = incoming.header(b"request-timeout")
    if asked is None:
        return time.monotonic() + most_s
    try:
        asked_s = parse_seconds(asked)
        if not asked_s > 0:
            raise ValueError("no time")
    except ValueError:
        why = f"the header Request-Timeout is {asked[:40]!r}"
        raise RequestRefused(400, why, "give seconds above 0, or a text such as 250ms") from None
    return time.monotonic() + min(asked_s, most_s)


def id_of(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the id of a request: its header X-Request-Id where that is a good one, else one that is made up."""
    asked = headers.get(b"x-request-id")
    return asked if asked is not None and GOOD_ID.fullmatch(asked) else b"%016x" % random.getrandbits(64)


class Exchange:
    """A request with what the service knows of it; what handlers get.

    Args:
        scope: ASGI's.
        receive: ASGI's.
        limits: What the service holds at once.

    Attributes:
        scope: ASGI's.
        incoming: Its body.
        held: The bytes that it holds.
        deadline_s: When it is to be answered, by `time.monotonic`.
        request_id: Its id.
        route: The pattern of its route; empty where none fits.
        path_params: The names in its path.
        began_s: When it came, by `time.perf_counter`; where it is observed.
    """

    __slots__ = (
        *("_has_place", "_limits", "began_s", "deadline_s", "held", "incoming", "path_params", "request_id", "route"),
        "scope",
    )

    def __init__(self, scope: Scope, receive: Receive, limits: Limits) -> None:
        self.scope = scope
        self.incoming = Incoming(scope, receive)
        self.held = Held(limits)
        self.deadline_s = math.inf
        self.request_id = b""
        self.route = ""
        self.path_params: Mapping[str, str] = {}
        self.began_s = 0.0
        self._limits = limits
        self._has_place = False

    async def enter(self) -> None:
        """Take a place among the requests in progress, until `leave`; see `Limits.enter`."""
        if not self._limits.enter_at_once():
            await self._limits.enter(self.deadline_s)
        self._has_place = True

    def leave(self) -> None:
        """Hold nothing any more."""
        self.held.give_back()
        if self._has_place:
            self._has_place = False
            self._limits.leave()

    async def left_within(self, seconds: float) -> bool:
        """Wait so long for the client to leave; true once it has."""
        try:
            async with asyncio.timeout(seconds):
                while (await self.incoming())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        return True

    def header(self, name: bytes) -> str | None:
        """Return a header by its name in lower case."""
        return self.incoming.header(name)

    def asked(self, name: str) -> str | None:
        """Return a parameter of the query."""
        query: bytes = self.scope["query_string"]
        return QueryParams(query).get(name) if query else None

    @property
    def left_s(self) -> float:
        """Seconds that are left."""
        return max(0.0, self.deadline_s - time.monotonic())

    def read(self, most_bytes: int, check: Check | None = None) -> Coroutine[Any, Any, bytearray]:
        """Return the body; see `Incoming.read`."""
        return self.incoming.read(most_bytes, self.deadline_s, self.held, check)


class Incoming:
    """The body of a request on its way in; stands in the place of ASGI's `receive`.

    Args:
        scope: The request.
        receive: ASGI's.
    """

    __slots__ = ("_receive", "_told", "body", "ended", "headers", "invited")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        headers: dict[bytes, bytes] = dict(scope["headers"])
        self.headers = headers
        self.body = bytearray()
        told = headers.get(b"content-length")
        self._told = None if told is None else int(told)
        self.ended = not self._told and b"transfer-encoding" not in headers
        self.invited = b"expect" not in headers

    def header(self, name: bytes) -> str | None:
        """Return a header by its name in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def __call__(self) -> Message:
        """Receive a message."""
        message = await self._receive()
        self.invited = True
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.ended = True
        return message

    async def read(self, most_bytes: int, deadline_s: float, held: Held, check: Check | None = None) -> bytearray:
        """Return the body.

        Args:
            most_bytes: What it may have at most.
            deadline_s: When to give up, by `time.monotonic`.
            held: Takes account of it.
            check: Called once with the beginning, before the rest is read; what it raises ends the reading.

        Raises:
            RequestRefused: It is larger (413; where its length is told, before any of it is read), does not come in
                time (408), or finds no room beside others (503).
            ClientDisconnect: The client left before it had sent it.
        """
        if self._told is not None:
            if self._told > most_bytes:
                raise _too_large(self._told, most_bytes)
            held.take(self._told)
        cycle = cycle_of(self._receive)
        if self._told and cycle is not None and has_body(cycle):
            self.ended = True
            self.body = take_body(cycle)
            if check is not None:
                check(self.body)
            return self.body
        if b"request-timeout" not in self.headers:  # the connection bounds the time of every body by itself
            return await self._gather(most_bytes, held, check)
        try:
            async with asyncio.timeout(deadline_s - time.monotonic()):
                return await self._gather(most_bytes, held, check)
        except TimeoutError:
            mend = "send it faster, or ask for more time with the header Request-Timeout"
            raise RequestRefused(408, "the body did not come in time", mend) from None

    async def _gather(self, most_bytes: int, held: Held, check: Check | None) -> bytearray:
        body = bytearray()
        while True:
            message = await self()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part: bytes = message.get("body", b"")
            if len(body) + len(part) > most_bytes:
                raise _too_large(len(body) + len(part), most_bytes)
            if self._told is None:
                held.take(len(part))
            body += part
            if check is not None and (len(body) >= BEGINNING_BYTES or not message.get("more_body", False)):
                check(body)
                check = None
            if not message.get("more_body", False):
                self.body = body
                return body

    async def discard(self) -> None:
        """Read what is left of the body into nothing, within bounds, so that the client gets to read the answer.

        A connection that is closed with unread bytes is reset, and what was sent last may be lost with it (RFC 9112,
        section 9.6). A client that waits to be invited has sent nothing, and is not invited.
        """
        if self.ended or not self.invited:
            return
        left = DISCARDED_BYTES
        try:
            async with asyncio.timeout(DISCARD_S):
                while left > 0:
                    message = await self()
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return


def _too_large(size: int, most: int) -> RequestRefused:
    return RequestRefused(
        413,
        f"the body has {size:,} bytes or more, and {most:,} are allowed",
        "send less at once, or raise service.max_request_size",
    )
