"""What an ask costs beside a round trip over a raw pair of Trio memory channels; what an idle actor weighs.

Both in one run, in turns, so that the ratios hold where the machine's speed does not.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import trio

from rkruntime.actors import Actor, ActorSystem, Ref

ROUNDS = 15
TRIPS = 4_000


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
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for _ in range(callers):
                nursery.start_soon(call, trips // callers)
        took = time.perf_counter() - began
        server.cancel_scope.cancel()
    return took


async def by_asks(ref: Ref[Echo], callers: int, trips: int, value: Any) -> float:
    """Seconds for `trips` asks by `callers`."""

    async def call(count: int) -> None:
        for _ in range(count):
            await ref.ask(Echo.echo, value)

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for _ in range(callers):
            nursery.start_soon(call, trips // callers)
    return time.perf_counter() - began


async def with_deadline(run: Callable[[], Awaitable[float]]) -> float:
    with trio.fail_after(3600):
        return await run()


def summary(ratios: list[float]) -> dict[str, float]:
    low, high = np.quantile(ratios, [0.025, 0.975])
    return {"median": statistics.median(ratios), "low": float(low), "high": float(high)}


async def measure_asks() -> dict[str, Any]:
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
    return {"floor_us": statistics.median(floors) * 1e6} | {name: summary(r) for name, r in ratios.items()}


@contextmanager
def collecting() -> Iterator[list[float]]:
    """Give a list to which the seconds of each of the garbage collector's runs are added."""
    seconds, began = [0.0], [0.0]

    def note(phase: str, _: object) -> None:
        if phase == "start":
            began[0] = time.perf_counter()
        else:
            seconds.append(time.perf_counter() - began[0])

    gc.callbacks.append(note)
    yield seconds
    gc.callbacks.remove(note)


async def measure_spawns(count: int, traced: bool) -> dict[str, float]:
    """Spawn and stop actors; the collector looks through all objects now and then, so its part is told apart."""
    system = ActorSystem()
    async with trio.open_nursery() as nursery:
        await nursery.start(system.run)
        if traced:
            tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        began = time.perf_counter()
        with collecting() as collector_s:
            for _ in range(count):
                await system.spawn(Echo)
        spawned = time.perf_counter()
        weight = (tracemalloc.get_traced_memory()[0] - before) / count
        if traced:
            tracemalloc.stop()
        stopping = time.perf_counter()
        await system.stop()
        ended = time.perf_counter()
    return {
        "spawn_us": (spawned - began) / count * 1e6,
        "collector_us": sum(collector_s) / count * 1e6,
        "stop_us": (ended - stopping) / count * 1e6,
        "bytes": weight,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    asks = trio.run(measure_asks)
    spawns = {count: trio.run(measure_spawns, count, False) for count in (1_000, 10_000)}
    weight = trio.run(measure_spawns, 2_000, True)["bytes"]
    print(f"raw channel round trip: {asks['floor_us']:.1f} us")
    for name, aim in (
        ("one caller", "<= 1.2 x floor's time"),
        ("100 callers", ">= 1.3 x floor's throughput"),
        ("one caller, 1 MiB", "1.0 x no argument"),
    ):
        print(f"ask, {name}: {asks[name]['median']:.2f} ({asks[name]['low']:.2f}-{asks[name]['high']:.2f}); aim {aim}")
    for count, figures in spawns.items():
        print(
            f"{count:,} actors: spawn {figures['spawn_us']:.0f} us each, {figures['collector_us']:.0f} us of that the "
            f"garbage collector's; stop {figures['stop_us']:.0f} us each"
        )
    print(f"idle actor: {weight:,.0f} bytes")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"asks": asks, "spawns": spawns, "idle_actor_bytes": weight}, file, indent=1)


if __name__ == "__main__":
    main()
