"""saxpy of 1e7 float32 by the CPU compiler, beside a hand-written numba.njit(parallel=True) loop on as many threads.

Also, on one thread, kernels whose inner loops do the work, beside a scalar njit loop of the same; and what a launch
of an empty kernel costs. Runs are interleaved, and a round's ratio is of the best of its four runs each; what has
several threads is timed by the wall clock, the rest by the thread's CPU time.

    python bench/bench_saxpy.py [--json FILE] [--threads N]
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence

import numba
import numpy as np
from figures import Figure, tell
from numba import cuda
from simt_kernels import saxpy, saxpy_by_hand

from rkruntime import simt
from rkruntime.simt._schedule import InPlace

ROUNDS = 21


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


def interleaved(
    calls: Sequence[Callable[[], object]], clock: Callable[[], float], rounds: int = ROUNDS
) -> list[list[float]]:
    """Time each call in turn, four times a round after four that are not timed; seconds, the best of each round.

    Those that are not timed bring the arrays back into the caches, and outlast the peer's threads: OpenMP's wait for
    their next loop by spinning, on the processors that the other needs.
    """
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for best, call in zip(times, calls, strict=True):
            for _ in range(4):
                call()
            took = []
            for _ in range(4):
                started = clock()
                call()
                took.append(clock() - started)
            best.append(min(took))
    return times


def compare(
    name: str, ours: Callable[[], object], peer: Callable[[], object], *, target: str = "", on_workers: bool = False
) -> list[Figure]:
    """Return the peer's time over ours, round by round and of the best rounds; above 1 we are faster."""
    clock = time.perf_counter if on_workers else time.thread_time
    own, others = interleaved([ours, peer], clock)
    ratios = [other / mine for mine, other in zip(own, others, strict=True)]
    return [
        Figure.of(f"{name}: its time / ours", ratios, target=target, quiet=on_workers),
        Figure.of("likewise, the best round of each", [min(others) / min(own)]),
        Figure.of("likewise, ours", [took * 1e3 for took in own], unit="ms"),
    ]


def cases(threads: int) -> list[Figure]:
    """Run all comparisons."""
    numba.set_num_threads(threads)
    random = np.random.default_rng(0)
    n = 10_000_000
    x, y, out, wanted = (random.random(n, dtype=np.float32) for _ in range(4))
    rows: list[Figure] = []
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
        rows += compare(
            f"saxpy 1e7, {threads} threads, block {block} beside njit parallel",
            ours,
            lambda: saxpy_by_hand(a, x, y, wanted),
            target=">= 0.9",
            on_workers=True,
        )
        assert np.array_equal(out, wanted)
    image = random.random((1024, 1024), dtype=np.float32)
    got, expected = np.zeros_like(image), np.zeros_like(image)
    grid = (32, 128)
    rows += compare(
        "stencil 1024^2, 1 thread beside njit",
        in_place(stencil, grid, (32, 8), (image, got)),
        lambda: stencil_by_hand(image, expected),
    )
    assert np.allclose(got, expected)
    counts, steps = np.zeros((256, 256), np.int32), np.zeros((256, 256), np.int32)
    view = (-2.0, -1.25, 2.5 / 256, 200)
    rows += compare(
        "Mandelbrot 256^2, 1 thread beside njit",
        in_place(mandelbrot, (16, 16), (16, 16), (*view, counts)),
        lambda: mandelbrot_by_hand(*view, steps),
    )
    assert np.array_equal(counts, steps)
    left, right = random.random((2, 256, 256))
    product, by_hand = np.zeros_like(left), np.zeros_like(left)
    rows += compare(
        "naive matmul 256^3, 1 thread beside njit",
        in_place(matmul, (16, 16), (16, 16), (left, right, product)),
        lambda: matmul_by_hand(left, right, by_hand),
    )
    assert np.allclose(product, by_hand)
    workers.close()
    alone.close()
    return rows


def launch_cost() -> list[Figure]:
    """Measure what finding and launching an empty one-block kernel takes, and its parts."""
    kernel = simt.Kernel(empty)
    kernel.specialize(())
    special = kernel.find(())
    assert special is not None
    place = InPlace()
    grid = block = (1, 1, 1)
    arrays = (np.float32(1), np.zeros(4, np.float32), np.zeros(4, np.float32), np.zeros(4, np.float32))

    def each(call: Callable[[], object], count: int = 4_000) -> list[float]:
        took = []
        for _ in range(9):
            started = time.thread_time()
            for _ in range(count):
                call()
            took.append((time.thread_time() - started) / count * 1e6)
        return took

    parts = {
        "find, no arguments": each(lambda: kernel.find(())),
        "find, three arrays and a scalar": each(lambda: kernel.find(arrays)),
        "find and launch, no arguments": each(lambda: place.run(kernel.find(()), grid, block, ())),
        "simt.run, no arguments": each(lambda: simt.run(special, grid, block, ())),
    }
    place.close()
    return [Figure.of(name, took, unit="us") for name, took in parts.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    options = parser.parse_args()
    figures = [*cases(options.threads), *launch_cost()]
    tell("compiled kernels beside hand-written loops", figures, options.json, numba=numba.__version__)


if __name__ == "__main__":
    main()
