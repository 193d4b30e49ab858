"""What an ask costs beside a round trip over a raw pair of Trio memory channels; what an idle actor weighs.

All in one run, in turns, so that the ratios hold where the machine's speed does not. One thread that never waits does
all of it, so times are that thread's CPU time.

    python bench/bench_actors.py [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import trio
from figures import Figure, tell

from rkruntime.actors import Actor, ActorSystem, Ref

ROUNDS = 15
TRIPS = 4_000
FEW, MANY, MORE, MOST = 1_000, 10_000, 20_000, 40_000
SPAWN_ROUNDS = 3


class Echo(Actor):
    async def echo(self, value: Any) -> Any:
        return value


async def by_channels(callers: int, trips: int, value: Any) -> float:
    """Seconds for `trips` round trips by `callers`, each with a pair of channels to one server each way."""
    requests, incoming = trio.open_memory_channel[Any](max(callers, 1))

    async def serve() -> None:
        async for answer, asked in incoming:
            await answer.send(asked)

    async def call(count: int) -> None:
        answer, answers = trio.open_memory_channel[Any](1)
        for _ in range(count):
            await requests.send((answer, value))
            await answers.receive()

    async with trio.open_nursery() as server:
        server.start_soon(serve)
        began = time.thread_time()
        async with trio.open_nursery() as nursery:
            for _ in range(callers):
                nursery.start_soon(call, trips // callers)
        took = time.thread_time() - began
        server.cancel_scope.cancel()
    return took


async def by_asks(ref: Ref[Echo], callers: int, trips: int, value: Any) -> float:
    """Seconds for `trips` asks by `callers`."""

    async def call(count: int) -> None:
        for _ in range(count):
            await ref.ask(Echo.echo, value)

    began = time.thread_time()
    async with trio.open_nursery() as nursery:
        for _ in range(callers):
            nursery.start_soon(call, trips // callers)
    return time.thread_time() - began


async def with_deadline(run: Callable[[], Awaitable[float]]) -> float:
    with trio.fail_after(3600):
        return await run()


async def measure_asks() -> list[Figure]:
    system = ActorSystem(mailbox_capacity=1_000)
    big = np.zeros(2**18, np.float32)
    ratios: dict[str, list[float]] = {"one caller": [], "100 callers": [], "one caller, 1 MiB": []}
    floors = []
    async with trio.open_nursery() as nursery:
        await nursery.start(system.run)
        ref = await system.spawn(Echo)
        for _ in range(ROUNDS):
            raw = await by_channels(1, TRIPS, None)
            asked = await with_deadline(lambda: by_asks(ref, 1, TRIPS, None))
            loaded = await with_deadline(lambda: by_asks(ref, 1, TRIPS, big))
            raw_many = await by_channels(100, TRIPS, None)
            asked_many = await with_deadline(lambda: by_asks(ref, 100, TRIPS, None))
            floors.append(raw / TRIPS)
            ratios["one caller"].append(asked / raw)
            ratios["100 callers"].append(raw_many / asked_many)
            ratios["one caller, 1 MiB"].append(loaded / asked)
        await system.stop()
    return [
        Figure.of("ask, one caller / raw pair's round trip", ratios["one caller"], target="<= 1.2"),
        Figure.of("ask, 100 callers: throughput / raw pair's", ratios["100 callers"], target=">= 1.3"),
        Figure.of("ask with a 1 MiB array / ask without", ratios["one caller, 1 MiB"], target="no more than 1"),
        Figure.of("raw pair's round trip", [floor * 1e6 for floor in floors], unit="us"),
    ]


@contextmanager
def collecting() -> Iterator[list[float]]:
    """Give a list to which the seconds of each of the garbage collector's runs are added."""
    seconds, began = [0.0], [0.0]

    def note(phase: str, _: object) -> None:
        if phase == "start":
            began[0] = time.thread_time()
        else:
            seconds.append(time.thread_time() - began[0])

    gc.callbacks.append(note)
    yield seconds
    gc.callbacks.remove(note)


async def measure_spawns(count: int) -> dict[str, float]:
    """Spawn and stop actors; microseconds each, the garbage collector's part told apart."""
    system = ActorSystem()
    gc.collect()
    async with trio.open_nursery() as nursery:
        await nursery.start(system.run)
        began = time.thread_time()
        with collecting() as spawning_s:
            for _ in range(count):
                await system.spawn(Echo)
        spawned = time.thread_time()
        with collecting() as stopping_s:
            await system.stop()
        ended = time.thread_time()
    each = 1e6 / count
    return {
        "spawn": (spawned - began) * each,
        "spawn, collector": sum(spawning_s) * each,
        "stop": (ended - spawned) * each,
        "stop, collector": sum(stopping_s) * each,
    }


async def weigh(count: int) -> float:
    """Bytes that an idle actor holds, its task and mailbox included."""
    system = ActorSystem()
    async with trio.open_nursery() as nursery:
        await nursery.start(system.run)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(count):
            await system.spawn(Echo)
        weight = (tracemalloc.get_traced_memory()[0] - before) / count
        tracemalloc.stop()
        await system.stop()
    return weight


def measure_actors() -> list[Figure]:
    """Spawn and stop few and many actors in turns: linear where many cost as much each as few.

    The collector looks at all there is each time that a quarter more was made: its part grows until that happens
    regularly, and then stays a fixed part of each spawn.
    """
    rounds = [[trio.run(measure_spawns, count) for count in (FEW, MANY)] for _ in range(SPAWN_ROUNDS)]
    figures = []
    for what in ("spawn", "stop"):
        own = [[each[what] - each[f"{what}, collector"] for each in pair] for pair in rounds]
        figures += [
            Figure.of(
                f"{what}: each of {MANY:,} / each of {FEW:,}, without the garbage collector",
                [many / few for few, many in own],
                target="<= 1.2",
            ),
            Figure.of(f"{what}: likewise, with it", [many[what] / few[what] for few, many in rounds]),
            Figure.of(f"{what}, each of {FEW:,}", [few[what] for few, _ in rounds], unit="us"),
            Figure.of(f"{what}, each of {MANY:,}", [many[what] for _, many in rounds], unit="us"),
        ]
    more, most = (trio.run(measure_spawns, count)["spawn"] for count in (MORE, MOST))
    figures.append(Figure.of(f"spawn: each of {MOST:,} / each of {MORE:,}, with it", [most / more], target="<= 1.2"))
    weights = [trio.run(weigh, 2_000) for _ in range(3)]
    return [*figures, Figure.of("memory of an idle actor", weights, unit="bytes")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    tell("asks and actors", [*trio.run(measure_asks), *measure_actors()], options.json)


if __name__ == "__main__":
    main()
