"""What the service holds at once: requests in progress, requests that wait, bytes of their arrays.

For the server's thread alone. What is full refuses at once, or waits no longer than the request's own deadline.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

from starlette.types import Scope

from rkruntime.config import ServiceConfig
from rkruntime.context import IDENTITY
from rkruntime.errors import RequestRefused
from rkruntime.service._rate import Rates
from rkruntime.service._running import in_task

__all__ = ("Limits", "caller_of")

BUSY_RETRY_S = 1.0
ANYONE = "anyone"
"""The identity of all callers where no role is demanded: they are told apart by their addresses."""


def caller_of(scope: Scope) -> str:
    """Return who asks: the name that was authenticated, else the address."""
    name = IDENTITY.get()
    if name and name != ANYONE:
        return f"name:{name}"
    client = scope.get("client")
    return f"address:{client[0]}" if client else "address:"


class Limits:
    """The limits of one service, and what is taken up of them.

    Args:
        config: What they are.

    Attributes:
        most_requests: Requests that may be in progress at once.
        most_bytes: Bytes that they may hold together.
        in_progress: Requests that are.
        held_bytes: Bytes that they do.
        waiting: Requests that wait for their turn.
    """

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config
        self._rates = Rates(config.rate_limit, config.rate_burst)
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.most_requests = config.max_requests
        self.most_bytes = config.max_request_memory
        self.in_progress = 0
        self.held_bytes = 0

    def check_rate(self, scope: Scope) -> None:
        """Count a request with its caller: the name that was authenticated, else the address.

        Raises:
            RequestRefused: There were too many of late (429).
        """
        if self._config.rate_limit is None:
            return
        wait_s = self._rates.wait_s(caller_of(scope), time.monotonic())
        if wait_s:
            limit = self._config.rate_limit
            raise RequestRefused(
                429, f"more than {limit} requests a second came from this caller", "ask less often", wait_s
            )

    async def enter(self, deadline_s: float) -> None:
        """Wait for a place among the requests in progress, in turn; give it back with `leave`.

        Args:
            deadline_s: When to give up, by `time.monotonic`.

        Raises:
            RequestRefused: Too many wait already, or the deadline came (503).
        """
        await in_task()
        if not self.waiting and self.in_progress < self.most_requests:  # one has left meanwhile
            self.in_progress += 1
            return
        if len(self.waiting) >= self._config.max_waiting_requests:
            raise _busy(f"{self.in_progress} requests are in progress and {len(self.waiting)} wait")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(place)
        try:
            async with asyncio.timeout(max(0.0, deadline_s - time.monotonic())):
                await place
        except TimeoutError:
            self._give_up(place)
            raise _busy("the request waited for its turn until its deadline") from None
        except asyncio.CancelledError:
            self._give_up(place)
            raise

    def leave(self) -> None:
        """Give a place back: to the first of those who wait, if any do."""
        while self.waiting:
            place = self.waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.in_progress -= 1

    def _give_up(self, place: asyncio.Future[None]) -> None:
        """Stop waiting; a place that was given at the same moment goes to the next."""
        if place.done() and not place.cancelled():
            self.leave()
        elif place in self.waiting:
            self.waiting.remove(place)

    def no_room(self, count: int) -> RequestRefused:
        """Return the refusal of a request that would hold so many bytes more than there are (503)."""
        return _busy(f"requests hold {self.held_bytes:,} of {self.most_bytes:,} bytes, and this one needs {count:,}")


def _busy(why: str) -> RequestRefused:
    return RequestRefused(503, f"the service is busy: {why}", "ask again later, or raise the limit", BUSY_RETRY_S)
