"""The whole path: launches through an actor beside asks and hand-written loops; drains and cancellations.

Each figure is a ratio against a peer or a floor of the same run, taken in turns.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numba
import numpy as np
import trio
import trio.testing
from numba import cuda

import rkruntime as rk

ROUNDS = 15
N = 10_000_000


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


def summary(values: list[float]) -> dict[str, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return {"median": statistics.median(values), "low": float(low), "high": float(high)}


async def timed(run: Callable[[], Awaitable[Any]], times: int = 1) -> float:
    began = time.perf_counter()
    for _ in range(times):
        await run()
    return (time.perf_counter() - began) / times


async def undisturbed(run: Callable[[], Awaitable[Any]]) -> float:
    """Time the faster of two runs, once OpenMP's threads have stopped spinning: after a loop they keep their cores."""
    await trio.sleep(0.05)
    return min([await timed(run), await timed(run)])


async def measure_empty(runtime: rk.Runtime) -> dict[str, float]:
    echo = await runtime.spawn(Echo)
    kernel = await runtime.spawn(empty)
    ratios = []
    await timed(lambda: kernel.launch(grid=1, block=1), 200)
    for _ in range(ROUNDS):
        asked = await timed(lambda: echo.ask(Echo.echo), 1000)
        launched = await timed(lambda: kernel.launch(grid=1, block=1), 1000)
        ratios.append(launched / asked)
    return summary(ratios)


async def measure_saxpy(runtime: rk.Runtime) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(0)
    x, y = rng.random((2, N), dtype=np.float32)
    out, expected = np.zeros_like(x), np.zeros_like(x)
    a = np.float32(2)
    kernel = await runtime.spawn(saxpy)
    there = [await runtime.array(host) for host in (x, y, out)]
    host_ratios, device_ratios = [], []

    async def by_hand() -> None:
        saxpy_by_hand(a, x, y, expected)

    for _ in range(2 * ROUNDS):
        peer = await undisturbed(by_hand)
        host_ratios.append(peer / await undisturbed(lambda: kernel.launch(a, x, y, rk.Out(out), over=N)))
        device_ratios.append(peer / await undisturbed(lambda: kernel.launch(a, *there, over=N)))
    np.testing.assert_allclose(out, expected, rtol=1e-6)
    np.testing.assert_allclose(await there[2].copy_to_host(), expected, rtol=1e-6)
    for array in there:
        array.free()
    return {"NumPy arrays": summary(host_ratios[2:]), "device arrays": summary(device_ratios[2:])}


async def measure_cancel(runtime: rk.Runtime) -> dict[str, float]:
    kernel = await runtime.spawn(endless)
    out = np.zeros(4096, np.int64)
    latencies = []
    for _ in range(ROUNDS):
        out[:] = 0
        with trio.move_on_after(0.1) as scope:
            await kernel.launch(out, over=out.size)
        assert scope.cancelled_caught
        while any(actor.in_flight for actor in runtime.actors):
            await trio.sleep(0)
        latencies.append((trio.current_time() - scope.deadline) * 1e3)
    return summary(latencies)


async def measure_drain(actors: int, nap_s: float) -> dict[str, float]:
    """Milliseconds from the last of 1,000 answers to the end of the shutdown; ten handlers run at each actor."""
    beyond = []
    for _ in range(7):
        answered = [0.0]
        async with trio.open_nursery() as nursery, rk.open_runtime() as runtime:
            refs = [await runtime.spawn(Echo, concurrency=10) for _ in range(actors)]

            async def ask(k: int, refs: list[rk.Ref[Echo]] = refs, answered: list[float] = answered) -> None:
                await refs[k % actors].ask(Echo.nap, nap_s)
                answered[0] = trio.current_time()

            for k in range(1000):
                nursery.start_soon(ask, k)
            await trio.testing.wait_all_tasks_blocked()
            report = await runtime_report(runtime)
            beyond.append((trio.current_time() - answered[0]) * 1e3)
            assert (report.completed, report.in_flight) == (1000, 1000), str(report).splitlines()[0]
    return summary(beyond)


async def runtime_report(runtime: rk.Runtime) -> rk.DrainReport:
    with trio.CancelScope(shield=True, deadline=math.inf):
        return await runtime.shutdown()


async def measure() -> dict[str, Any]:
    async with rk.open_runtime(rk.RuntimeConfig(gpu_enabled=False)) as runtime:
        figures: dict[str, Any] = {"empty launch / no-op ask": await measure_empty(runtime)}
        for name, ratio in (await measure_saxpy(runtime)).items():
            figures[f"saxpy 1e7 through an actor, {name}: njit parallel's time / ours"] = ratio
        figures["cancellation seen, ms"] = await measure_cancel(runtime)
    figures["drain of 1,000 asks at 20 actors, ms beyond the slowest"] = await measure_drain(20, 0.2)
    figures["drain of 1,000 asks that all run at once, at 100 actors, likewise"] = await measure_drain(100, 0.5)
    return figures


AIMS = ("<= 2", ">= 0.85", "", "<= 10", "<= 20", "<= 20")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    figures = trio.run(measure)
    for (name, figure), aim in zip(figures.items(), AIMS, strict=True):
        print(
            f"{name}: {figure['median']:.2f} ({figure['low']:.2f}-{figure['high']:.2f})  {'aim ' + aim if aim else ''}"
        )
    if options.json:
        with open(options.json, "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
