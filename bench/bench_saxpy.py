"""saxpy of 1e7 float32 by the CPU compiler, beside a hand-written numba.njit(parallel=True) loop on as many threads.

Also, on one thread, kernels whose inner loops do the work, beside a scalar njit loop of the same; and what a launch
of an empty kernel costs. Runs are interleaved; medians, with the interval that holds half of the runs; ratios are
within one run.

    python bench/bench_saxpy.py [--json FILE] [--threads N]
"""

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections.abc import Callable

import numba
import numpy as np
from numba import cuda

from rkruntime import simt
from rkruntime.simt._schedule import InPlace

ROUNDS = 21


@cuda.jit
def saxpy(a, x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a * x[i] + y[i]


@numba.njit(parallel=True, fastmath={"contract"})
def saxpy_by_hand(a, x, y, out):
    for i in numba.prange(out.size):
        out[i] = a * x[i] + y[i]


@cuda.jit
def stencil(a, out):
    x, y = cuda.grid(2)
    if 0 < x < a.shape[1] - 1 and 0 < y < a.shape[0] - 1:
        out[y, x] = 0.25 * (a[y - 1, x] + a[y + 1, x] + a[y, x - 1] + a[y, x + 1])


@numba.njit(fastmath={"contract"})
def stencil_by_hand(a, out):
    for y in range(1, a.shape[0] - 1):
        for x in range(1, a.shape[1] - 1):
            out[y, x] = 0.25 * (a[y - 1, x] + a[y + 1, x] + a[y, x - 1] + a[y, x + 1])


@cuda.jit
def mandelbrot(left, top, step, limit, counts):
    column, row = cuda.grid(2)
    if row < counts.shape[0] and column < counts.shape[1]:
        cx, cy = left + column * step, top + row * step
        x = y = 0.0
        count = 0
        while count < limit and x * x + y * y < 4.0:
            x, y = x * x - y * y + cx, 2.0 * x * y + cy
            count += 1
        counts[row, column] = count


@numba.njit(fastmath={"contract"})
def mandelbrot_by_hand(left, top, step, limit, counts):
    for row in range(counts.shape[0]):
        for column in range(counts.shape[1]):
            cx, cy = left + column * step, top + row * step
            x = y = 0.0
            count = 0
            while count < limit and x * x + y * y < 4.0:
                x, y = x * x - y * y + cx, 2.0 * x * y + cy
                count += 1
            counts[row, column] = count


@cuda.jit
def matmul(a, b, c):
    column, row = cuda.grid(2)
    if row < c.shape[0] and column < c.shape[1]:
        total = 0.0
        for k in range(a.shape[1]):
            total += a[row, k] * b[k, column]
        c[row, column] = total


@numba.njit(fastmath={"contract"})
def matmul_by_hand(a, b, c):
    for row in range(c.shape[0]):
        for column in range(c.shape[1]):
            total = 0.0
            for k in range(a.shape[1]):
                total += a[row, k] * b[k, column]
            c[row, column] = total


@cuda.jit
def empty():
    pass


def interleaved(calls: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Time each call in turn, four times a round after four that are not timed; seconds.

    Those that are not timed bring the arrays back into the caches, and outlast the peer's threads: OpenMP's wait for
    their next loop by spinning, on the processors that the other needs.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            for _ in range(4):
                call()
            for _ in range(4):
                started = time.perf_counter()
                call()
                times[name].append(time.perf_counter() - started)
    return times


def compare(name: str, ours: Callable[[], object], peer: Callable[[], object]) -> dict[str, object]:
    """Return medians in ms, half-intervals, and the peer's time over ours (above 1: we are faster)."""
    times = interleaved({"ours": ours, "peer": peer})
    middle = {key: statistics.median(values) * 1e3 for key, values in times.items()}
    quarters = {key: [q * 1e3 for q in statistics.quantiles(values, n=4)[::2]] for key, values in times.items()}
    return {
        "case": name,
        "ours_ms": middle["ours"],
        "ours_half": quarters["ours"],
        "peer_ms": middle["peer"],
        "peer_half": quarters["peer"],
        "speed": middle["peer"] / middle["ours"],
    }


def cases(threads: int) -> list[dict[str, object]]:
    """Run all comparisons."""
    numba.set_num_threads(threads)
    random = np.random.default_rng(0)
    n = 10_000_000
    x, y, out, wanted = (random.random(n, dtype=np.float32) for _ in range(4))
    rows = []
    workers = simt.Workers(threads)
    alone = InPlace()

    def on_workers(kernel: object, grid: object, block: object, args: tuple[object, ...]) -> Callable[[], object]:
        special = simt.Kernel(kernel).specialize(args)
        return lambda: simt.run(special, grid, block, args, workers=workers)

    def in_place(kernel: object, grid: object, block: object, args: tuple[object, ...]) -> Callable[[], object]:
        special = simt.Kernel(kernel).specialize(args)
        return lambda: alone.run(special, (*grid, 1), (*block, 1), args)

    a = np.float32(2)
    for block in (256, 32):
        ours = on_workers(saxpy, -(-n // block), block, (a, x, y, out))
        rows.append(
            compare(
                f"saxpy 1e7, {threads} threads, block {block}; peer parallel=True",
                ours,
                lambda: saxpy_by_hand(a, x, y, wanted),
            )
        )
        assert np.array_equal(out, wanted)
    image = random.random((1024, 1024), dtype=np.float32)
    got, expected = np.zeros_like(image), np.zeros_like(image)
    grid = (32, 128)
    rows.append(
        compare(
            "stencil 1024^2, 1 thread; peer njit",
            in_place(stencil, grid, (32, 8), (image, got)),
            lambda: stencil_by_hand(image, expected),
        )
    )
    assert np.allclose(got, expected)
    counts, steps = np.zeros((256, 256), np.int32), np.zeros((256, 256), np.int32)
    view = (-2.0, -1.25, 2.5 / 256, 200)
    rows.append(
        compare(
            "Mandelbrot 256^2, 1 thread; peer njit",
            in_place(mandelbrot, (16, 16), (16, 16), (*view, counts)),
            lambda: mandelbrot_by_hand(*view, steps),
        )
    )
    assert np.array_equal(counts, steps)
    left, right = random.random((2, 256, 256))
    product, by_hand = np.zeros_like(left), np.zeros_like(left)
    rows.append(
        compare(
            "naive matmul 256^3, 1 thread; peer njit",
            in_place(matmul, (16, 16), (16, 16), (left, right, product)),
            lambda: matmul_by_hand(left, right, by_hand),
        )
    )
    assert np.allclose(product, by_hand)
    workers.close()
    alone.close()
    return rows


def launch_cost() -> dict[str, float]:
    """Return microseconds that finding and launching an empty one-block kernel takes, and those of its parts."""
    kernel = simt.Kernel(empty)
    kernel.specialize(())
    special = kernel.find(())
    assert special is not None
    place = InPlace()
    grid = block = (1, 1, 1)
    arrays = (np.float32(1), np.zeros(4, np.float32), np.zeros(4, np.float32), np.zeros(4, np.float32))

    def each(call: Callable[[], object], count: int = 20_000) -> float:
        best = math.inf
        for _ in range(5):
            started = time.perf_counter()
            for _ in range(count):
                call()
            best = min(best, (time.perf_counter() - started) / count)
        return best * 1e6

    parts = {
        "find, no arguments": each(lambda: kernel.find(())),
        "find, three arrays and a scalar": each(lambda: kernel.find(arrays)),
        "find and launch, no arguments": each(lambda: place.run(kernel.find(()), grid, block, ())),
        "simt.run, no arguments": each(lambda: simt.run(special, grid, block, ())),
    }
    place.close()
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    rows = cases(options.threads)
    print(f"{'':58s} {'ours ms':>9s} {'(half in)':>15s} {'peer ms':>9s} {'(half in)':>15s} {'speed':>7s}")
    for row in rows:
        halves = [f"{low:.2f}-{high:.2f}" for low, high in (row["ours_half"], row["peer_half"])]
        print(
            f"{row['case']:58s} {row['ours_ms']:9.2f} {halves[0]:>15s} {row['peer_ms']:9.2f} {halves[1]:>15s}"
            f" {row['speed']:6.2f}x"
        )
    costs = launch_cost()
    for name, cost_us in costs.items():
        print(f"{name:58s} {cost_us:9.2f} us")
    if options.json:
        record = {"machine": platform.processor(), "python": platform.python_version(), "numba": numba.__version__}
        with open(options.json, "w") as file:
            json.dump({**record, "rows": rows, "launch_us": costs}, file, indent=1)


if __name__ == "__main__":
    main()
