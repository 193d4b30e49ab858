"""The whole path: launches through an actor beside asks and hand-written loops; drains and cancellations.

Each figure is a ratio against a peer or a floor of the same run, taken in turns. Launches in place and asks run on one
thread and are timed by its CPU time; what waits, or runs on several threads, by the wall clock, and with that by how
quiet the machine is. A drain is timed by both.

    python bench/bench_runtime.py [--json FILE]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numba
import numpy as np
import trio
import trio.testing
from figures import Figure, tell
from numba import cuda

import rkruntime as rk

ROUNDS = 15
N = 10_000_000
ON_CPU = rk.RuntimeConfig(gpu_enabled=False)


class Echo(rk.Actor):
    async def echo(self) -> None:
        return None

    async def nap(self, seconds: float) -> None:
        await trio.sleep(seconds)


@cuda.jit
def empty():
    pass


@cuda.jit
def saxpy(a, x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a * x[i] + y[i]


@cuda.jit
def endless(out):
    i = cuda.grid(1)
    while out[i] >= 0:
        out[i] += 1


@numba.njit(parallel=True, fastmath=False)
def saxpy_by_hand(a, x, y, out):
    for i in numba.prange(out.size):
        out[i] = a * x[i] + y[i]


async def timed(
    run: Callable[[], Awaitable[Any]], times: int = 1, clock: Callable[[], float] = time.perf_counter
) -> float:
    began = clock()
    for _ in range(times):
        await run()
    return (clock() - began) / times


async def undisturbed(run: Callable[[], Awaitable[Any]]) -> float:
    """Time the faster of two runs, once OpenMP's threads have stopped spinning: after a loop they keep their cores."""
    await trio.sleep(0.05)
    return min([await timed(run), await timed(run)])


async def measure_empty(runtime: rk.Runtime) -> Figure:
    echo = await runtime.spawn(Echo)
    kernel = await runtime.spawn(empty)
    ratios = []
    await timed(lambda: kernel.launch(grid=1, block=1), 200)
    for _ in range(ROUNDS):
        asked = await timed(lambda: echo.ask(Echo.echo), 1000, time.thread_time)
        launched = await timed(lambda: kernel.launch(grid=1, block=1), 1000, time.thread_time)
        ratios.append(launched / asked)
    return Figure.of("empty one-block launch through an actor / no-op ask", ratios, target="<= 2")


async def measure_saxpy(runtime: rk.Runtime) -> list[Figure]:
    rng = np.random.default_rng(0)
    x, y = rng.random((2, N), dtype=np.float32)
    out, expected = np.zeros_like(x), np.zeros_like(x)
    a = np.float32(2)
    kernel = await runtime.spawn(saxpy)
    there = [await runtime.array(host) for host in (x, y, out)]
    by = "saxpy 1e7 through an actor, {}: njit parallel's time / ours"
    times: dict[str, list[float]] = {"njit": [], "NumPy arrays": [], "device arrays": []}

    async def by_hand() -> None:
        saxpy_by_hand(a, x, y, expected)

    for _ in range(2 * ROUNDS):
        times["njit"].append(await undisturbed(by_hand))
        times["NumPy arrays"].append(await undisturbed(lambda: kernel.launch(a, x, y, rk.Out(out), over=N)))
        times["device arrays"].append(await undisturbed(lambda: kernel.launch(a, *there, over=N)))
    np.testing.assert_allclose(out, expected, rtol=1e-6)
    np.testing.assert_allclose(await there[2].copy_to_host(), expected, rtol=1e-6)
    for array in there:
        array.free()
    figures = []
    peers = times.pop("njit")
    for name, ours in times.items():
        ratios = [peer / own for peer, own in zip(peers[2:], ours[2:], strict=True)]
        figures += [
            Figure.of(by.format(name), ratios, target=">= 0.85", quiet=True),
            Figure.of(f"likewise, the best of {2 * ROUNDS} rounds of each", [min(peers) / min(ours)]),
        ]
    return figures


async def measure_cancel(runtime: rk.Runtime) -> Figure:
    kernel = await runtime.spawn(endless)
    out = np.full(4096, -1, np.int64)
    await kernel.launch(out, over=out.size)  # compiles, and ends at once
    latencies = []
    for _ in range(ROUNDS):
        out[:] = 0
        with trio.move_on_after(0.1) as scope:
            await kernel.launch(out, over=out.size)
        assert scope.cancelled_caught
        assert out.any(), "the kernel did not run"
        while any(actor.in_flight for actor in runtime.actors):
            await trio.sleep(2e-4)  # not 0: a loop that never rests holds the GIL, which a worker needs to come back
        latencies.append((trio.current_time() - scope.deadline) * 1e3)
    return Figure.of("cancellation of a running kernel seen after", latencies, unit="ms", target="<= 10", quiet=True)


async def measure_drain(actors: int, nap_s: float) -> list[Figure]:
    """From the last of 1,000 answers to the end of the shutdown; ten handlers run at each actor."""
    beyond, busy = [], []
    for _ in range(7):
        answered = [0.0, 0.0]
        async with trio.open_nursery() as nursery, rk.open_runtime(ON_CPU) as runtime:
            refs = [await runtime.spawn(Echo, concurrency=10) for _ in range(actors)]

            async def ask(k: int, refs: list[rk.Ref[Echo]] = refs, answered: list[float] = answered) -> None:
                await refs[k % actors].ask(Echo.nap, nap_s)
                answered[:] = trio.current_time(), time.thread_time()

            for k in range(1000):
                nursery.start_soon(ask, k)
            await trio.testing.wait_all_tasks_blocked()
            report = await runtime_report(runtime)
            beyond.append((trio.current_time() - answered[0]) * 1e3)
            busy.append((time.thread_time() - answered[1]) * 1e3)
            assert (report.completed, report.in_flight) == (1000, 1000), str(report).splitlines()[0]
    return [
        Figure.of(
            f"drain of 1,000 asks at {actors} actors, {min(1000, 10 * actors):,} handlers at once: beyond the slowest",
            beyond,
            unit="ms",
            target="<= 20",
            quiet=True,
        ),
        Figure.of("likewise, CPU time of Trio's thread", busy, unit="ms"),
    ]


async def runtime_report(runtime: rk.Runtime) -> rk.DrainReport:
    with trio.CancelScope(shield=True, deadline=math.inf):
        return await runtime.shutdown()


async def measure() -> list[Figure]:
    async with rk.open_runtime(ON_CPU) as runtime:
        figures = [await measure_empty(runtime), *await measure_saxpy(runtime), await measure_cancel(runtime)]
    return [*figures, *await measure_drain(20, 0.2), *await measure_drain(100, 0.5)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    tell("launches, drains and cancellations through the runtime", trio.run(measure), options.json)


if __name__ == "__main__":
    main()
