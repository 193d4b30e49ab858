"""Deferrable allocations: they wait in order, each until its deadline, while memory is under pressure."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

__all__ = ("DeferralQueue", "Outcome")


class Outcome(enum.Enum):
    """How a wait ended."""

    GRANTED = "granted"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


class _Waiter:
    __slots__ = ("cancelled", "woken")

    def __init__(self) -> None:
        self.woken = trio.Event()
        self.cancelled = False


class DeferralQueue:
    """A queue whose head goes on while `is_open()`; the others follow one by one.

    Args:
        is_open: Whether the head may go on now.
    """

    def __init__(self, is_open: Callable[[], bool]) -> None:
        self._is_open = is_open
        self._waiting: deque[_Waiter] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, deadline_s: float) -> AsyncIterator[Outcome]:
        """Wait for a turn, for at most `deadline_s` seconds; it lasts until the block ends."""
        waiter = _Waiter()
        self._waiting.append(waiter)
        try:
            yield await self._wait(waiter, deadline_s)
        finally:
            self._waiting.remove(waiter)
            self.advance()

    async def _wait(self, waiter: _Waiter, deadline_s: float) -> Outcome:
        with trio.move_on_after(deadline_s):
            while not waiter.cancelled:
                if self._waiting[0] is waiter and self._is_open():
                    return Outcome.GRANTED
                await waiter.woken.wait()
                if not waiter.cancelled:
                    waiter.woken = trio.Event()
        return Outcome.CANCELLED if waiter.cancelled else Outcome.EXPIRED

    def advance(self) -> None:
        """Let the head look again whether it may go on."""
        if self._waiting and self._is_open():
            self._waiting[0].woken.set()

    def cancel_all(self) -> None:
        """End every wait as cancelled."""
        for waiter in self._waiting:
            waiter.cancelled = True
            waiter.woken.set()
