"""An actor system in a nursery, and actors that note what happens to them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from rkruntime.actors import Actor, ActorSystem, Restart, StopActor


@asynccontextmanager
async def acting(**settings: Any) -> AsyncIterator[ActorSystem]:
    settings.setdefault("restart", Restart(max_restarts=100, backoff=0.0, jitter=0.0))
    system = ActorSystem(**settings)
    async with trio.open_nursery() as nursery:
        await nursery.start(system.run)
        yield system
        await system.stop()


def taking(hook: Callable[[Any], None]) -> Callable[[Sequence[Any]], None]:
    """Hand each record of a batch to `hook`."""

    def take(records: Sequence[Any]) -> None:
        for record in records:
            hook(record)

    return take


class Note(Actor):
    """Appends to a log what happens to it."""

    def __init__(self, log: list[Any]) -> None:
        self.log = log
        self.count = 0

    async def setup(self) -> None:
        self.log.append((self.name, "setup"))

    async def teardown(self) -> None:
        self.log.append((self.name, "teardown"))

    async def add(self, number: int = 1) -> int:
        self.count += number
        return self.count

    async def nap(self, seconds: float) -> float:
        self.log.append((self.name, "nap begins"))
        try:
            await trio.sleep(seconds)
        except trio.Cancelled:
            self.log.append((self.name, "nap cancelled"))
            raise
        return seconds

    async def crash(self, error: Exception) -> None:
        raise error

    async def end(self) -> None:
        raise StopActor

    async def deadline(self) -> float:
        return trio.current_effective_deadline()
