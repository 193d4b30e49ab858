"""A request as it arrives: who asks, until when it is to be answered, and what of its body has been read."""

from __future__ import annotations

import asyncio
import math
import random
import re
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from rkruntime.errors import RequestRefused
from rkruntime.service._cycle import Cycle
from rkruntime.service._limits import Limits
from rkruntime.service._running import in_task
from rkruntime.units import parse_seconds

__all__ = ("Exchange", "id_of")

GOOD_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")

BEGINNING_BYTES = 20_000
"""Bytes in which the header of an array has to be whole."""
DISCARD_S = 2.0
DISCARDED_BYTES = 64 * 2**20

NO_BODY = bytearray()
NO_NAMES: Mapping[str, str] = MappingProxyType({})

Check: TypeAlias = Callable[[bytearray], None]


def id_of(headers: Mapping[bytes, bytes]) -> bytes:
    """Return the id of a request: its header X-Request-Id where that is a good one, else one that is made up."""
    asked = headers.get(b"x-request-id")
    return asked if asked is not None and GOOD_ID.fullmatch(asked) else b"%016x" % random.getrandbits(64)


class Exchange:
    """A request with what the service knows of it and holds for it; what handlers get.

    It is one object, since there is one for every request: who asks, until when, the body on its way in, and what of
    the service's limits it takes up until `leave`.

    Args:
        scope: ASGI's.
        receive: ASGI's.
        limits: What the service holds at once.

    Attributes:
        scope: ASGI's.
        headers: By their names in lower case; of several with one name the last.
        body: What `read` returned.
        length: Bytes of its body, as its header tells; None where none does.
        cycle: uvicorn's account of it; None where another server gave it.
        ended: Whether the body has been received to its end.
        deadline_s: When it is to be answered, by `time.monotonic`.
        request_id: Its id.
        route: The pattern of its route; empty where none fits.
        path_params: The names in its path.
        began_s: When it came, by `time.perf_counter`; where it is observed.
    """

    __slots__ = (
        *("_has_place", "_held_bytes", "_invited", "_limits", "_receive"),
        *("began_s", "body", "cycle", "deadline_s", "ended", "headers", "length", "path_params", "request_id"),
        *("route", "scope"),
    )

    def __init__(self, scope: Scope, receive: Receive, limits: Limits) -> None:
        self.scope = scope
        cycle = getattr(receive, "__self__", None)
        self.cycle = cycle if isinstance(cycle, Cycle) else None
        headers: dict[bytes, bytes] = dict(scope["headers"]) if self.cycle is None else self.cycle.told
        self.headers = headers
        self.body = NO_BODY
        length = headers.get(b"content-length")
        self.length = None if length is None else int(length)
        self.ended = not self.length and b"transfer-encoding" not in headers
        self.deadline_s = math.inf
        self.request_id = b""
        self.route = ""
        self.path_params: Mapping[str, str] = NO_NAMES
        self.began_s = 0.0
        self._receive = receive
        self._invited = b"expect" not in headers
        self._limits = limits
        self._held_bytes = 0
        self._has_place = False

    def header(self, name: bytes) -> str | None:
        """Return a header by its name in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def asked(self, name: str) -> str | None:
        """Return a parameter of the query."""
        query: bytes = self.scope["query_string"]
        return QueryParams(query).get(name) if query else None

    # Its time

    def begin(self, most_s: float, *, limited: bool) -> bool:
        """Let its time begin: what its header Request-Timeout asks for, `most_s` at most.

        Args:
            most_s: Seconds that it may take.
            limited: Whether it takes a place among the requests in progress, until `leave`.

        Returns:
            Whether it has what it needs; else it has to `enter`.

        Raises:
            RequestRefused: The header is no time (400).
        """
        asked = self.headers.get(b"request-timeout")
        self.deadline_s = time.monotonic() + (most_s if asked is None else min(_seconds(asked), most_s))
        if not limited:
            return True
        limits = self._limits
        free = self._has_place = limits.in_progress < limits.most_requests
        limits.in_progress += free
        return free

    @property
    def left_s(self) -> float:
        """Seconds that are left."""
        return max(0.0, self.deadline_s - time.monotonic())

    async def left_within(self, seconds: float) -> bool:
        """Wait so long for the client to leave; true once it has."""
        await in_task()
        try:
            async with asyncio.timeout(seconds):
                while (await self.receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return False
        return True

    # What it takes up

    async def enter(self) -> None:
        """Wait for a place among the requests in progress, and take it until `leave`; see `Limits.enter`."""
        await self._limits.enter(self.deadline_s)
        self._has_place = True

    def hold(self, count: int) -> None:
        """Hold so many bytes more.

        Raises:
            RequestRefused: All requests together would hold more than they may (503).
        """
        limits = self._limits
        if limits.held_bytes + count > limits.most_bytes:
            raise limits.no_room(count)
        limits.held_bytes += count
        self._held_bytes += count

    def leave(self) -> None:
        """Hold nothing any more."""
        limits = self._limits
        limits.held_bytes -= self._held_bytes
        self._held_bytes = 0
        if self._has_place:
            self._has_place = False
            if limits.waiting:
                limits.leave()
            else:
                limits.in_progress -= 1

    # Its body

    async def receive(self) -> Message:
        """Receive a message; stands in the place of ASGI's `receive`."""
        message = await self._receive()
        self._invited = True
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self.ended = True
        return message

    def read_at_once(self, most_bytes: int) -> bytearray | None:
        """Return the body where it has come as a whole; None where it has to be waited for, by `read`.

        Raises:
            RequestRefused: It is larger (413), or finds no room beside others (503).
        """
        body = self.cycle.take_whole() if self.length and self.cycle is not None else None
        if body is not None:
            self.ended = True
            self.body = body
            if len(body) > most_bytes:
                raise _too_large(len(body), most_bytes)
            self.hold(len(body))
        return body

    async def read(self, most_bytes: int, check: Check | None = None) -> bytearray:
        """Return the body.

        Args:
            most_bytes: What it may have at most.
            check: Called once with the beginning, before the rest is read; what it raises ends the reading.

        Raises:
            RequestRefused: It is larger (413; where its length is told, before any of it is read), does not come in
                time (408), or finds no room beside others (503).
            ClientDisconnect: The client left before it had sent it.
        """
        body = self.read_at_once(most_bytes)
        if body is not None:
            if check is not None:
                check(body)
            return body
        if self.length is not None:
            if self.length > most_bytes:
                raise _too_large(self.length, most_bytes)
            self.hold(self.length)
        if b"request-timeout" not in self.headers:  # the connection bounds the time of every body by itself
            return await self._gather(most_bytes, check)
        await in_task()
        try:
            async with asyncio.timeout(self.deadline_s - time.monotonic()):
                return await self._gather(most_bytes, check)
        except TimeoutError:
            mend = "send it faster, or ask for more time with the header Request-Timeout"
            raise RequestRefused(408, "the body did not come in time", mend) from None

    async def _gather(self, most_bytes: int, check: Check | None) -> bytearray:
        body = bytearray()
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            part: bytes = message.get("body", b"")
            if len(body) + len(part) > most_bytes:
                raise _too_large(len(body) + len(part), most_bytes)
            if self.length is None:
                self.hold(len(part))
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
        if self.ended or not self._invited:
            return
        left = DISCARDED_BYTES
        await in_task()
        try:
            async with asyncio.timeout(DISCARD_S):
                while left > 0:
                    message = await self.receive()
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
                    left -= len(message.get("body", b""))
        except TimeoutError:
            return


def _seconds(told: bytes) -> float:
    """Read the header Request-Timeout."""
    asked = told.decode("latin-1")
    try:
        asked_s = parse_seconds(asked)
        if not asked_s > 0:
            raise ValueError("no time")
    except ValueError:
        why = f"the header Request-Timeout is {asked[:40]!r}"
        raise RequestRefused(400, why, "give seconds above 0, or a text such as 250ms") from None
    return asked_s


def _too_large(size: int, most: int) -> RequestRefused:
    return RequestRefused(
        413,
        f"the body has {size:,} bytes or more, and {most:,} are allowed",
        "send less at once, or raise service.max_request_size",
    )
