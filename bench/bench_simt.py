"""Kernels on the CPU compiler beside hand-written numba.njit(parallel=True) loops of the same, on as many threads.

Runs are interleaved; medians, with the interval that holds half of the runs; speed is the peer's time over ours, in
one run. The peers are the natural loops: row order in the matrix product, private counters in the histogram.

    python bench/bench_simt.py [--json FILE] [--threads N] [--only PART-OF-A-NAME]
"""

import argparse
import json
import math
import os
import platform
from collections.abc import Callable, Iterator

import numba
import numpy as np
from bench_saxpy import compare
from numba import cuda, float32, int32

from rkruntime import simt

TILE, THREADS, BODIES = 16, 256, 128


@cuda.jit
def matmul(a, b, c):
    column, row = cuda.grid(2)
    if row < c.shape[0] and column < c.shape[1]:
        total = float32(0)
        for k in range(a.shape[1]):
            total += a[row, k] * b[k, column]
        c[row, column] = total


@cuda.jit
def tiled_matmul(a, b, c):
    left, right = cuda.shared.array((TILE, TILE), float32), cuda.shared.array((TILE, TILE), float32)
    column, row = cuda.grid(2)
    x, y = cuda.threadIdx.x, cuda.threadIdx.y
    total = float32(0)
    for step in range(a.shape[1] // TILE):
        left[y, x] = a[row, step * TILE + x]
        right[y, x] = b[step * TILE + y, column]
        cuda.syncthreads()
        for k in range(TILE):
            total += left[y, k] * right[k, x]
        cuda.syncthreads()
    c[row, column] = total


@numba.njit(parallel=True, fastmath={"contract"})
def matmul_by_hand(a, b, c):
    for row in numba.prange(c.shape[0]):
        c[row] = 0
        for k in range(a.shape[1]):
            for column in range(c.shape[1]):
                c[row, column] += a[row, k] * b[k, column]


@cuda.jit
def block_sums(x, out):
    partial = cuda.shared.array(THREADS, float32)
    thread, i = cuda.threadIdx.x, cuda.grid(1)
    partial[thread] = x[i] if i < x.size else float32(0)
    cuda.syncthreads()
    step = cuda.blockDim.x // 2
    while step > 0:
        if thread < step:
            partial[thread] += partial[thread + step]
        cuda.syncthreads()
        step //= 2
    if thread == 0:
        out[cuda.blockIdx.x] = partial[0]


@numba.njit(parallel=True, fastmath=True)
def block_sums_by_hand(x, out):
    for block in numba.prange(out.size):
        total = np.float32(0)
        for i in range(block * THREADS, min((block + 1) * THREADS, x.size)):
            total += x[i]
        out[block] = total


@cuda.jit
def histogram(x, counts):
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        cuda.atomic.add(counts, x[i], 1)


@cuda.jit
def shared_histogram(x, counts):
    mine = cuda.shared.array(256, int32)
    thread = cuda.threadIdx.x
    mine[thread] = 0
    cuda.syncthreads()
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        cuda.atomic.add(mine, x[i], 1)
    cuda.syncthreads()
    cuda.atomic.add(counts, thread, mine[thread])


@numba.njit(parallel=True)
def histogram_by_hand(x, counts):
    parts = np.zeros((numba.get_num_threads(), 256), np.int32)
    size = -(-x.size // parts.shape[0])
    for part in numba.prange(parts.shape[0]):
        for i in range(part * size, min((part + 1) * size, x.size)):
            parts[part, x[i]] += 1
    counts[:] = parts.sum(0)


@cuda.jit
def stencil(a, out):
    x, y = cuda.grid(2)
    if 0 < x < a.shape[1] - 1 and 0 < y < a.shape[0] - 1:
        out[y, x] = float32(0.25) * (a[y - 1, x] + a[y + 1, x] + a[y, x - 1] + a[y, x + 1])


@numba.njit(parallel=True, fastmath={"contract"})
def stencil_by_hand(a, out):
    for y in numba.prange(1, a.shape[0] - 1):
        for x in range(1, a.shape[1] - 1):
            out[y, x] = np.float32(0.25) * (a[y - 1, x] + a[y + 1, x] + a[y, x - 1] + a[y, x + 1])


@cuda.jit
def mandelbrot(left, top, step, limit, counts):
    column, row = cuda.grid(2)
    if row < counts.shape[0] and column < counts.shape[1]:
        cx, cy = left + float32(column) * step, top + float32(row) * step
        x = y = float32(0)
        count = 0
        while count < limit and x * x + y * y < float32(4):
            x, y = x * x - y * y + cx, float32(2) * x * y + cy
            count += 1
        counts[row, column] = count


@numba.njit(parallel=True, fastmath={"contract"})
def mandelbrot_by_hand(left, top, step, limit, counts):
    for row in numba.prange(counts.shape[0]):
        for column in range(counts.shape[1]):
            cx, cy = left + np.float32(column) * step, top + np.float32(row) * step
            x = y = np.float32(0)
            count = 0
            while count < limit and x * x + y * y < np.float32(4):
                x, y = x * x - y * y + cx, np.float32(2) * x * y + cy
                count += 1
            counts[row, column] = count


@cuda.jit
def attract(bodies, forces):
    near = cuda.shared.array((4, BODIES), float32)
    thread, i = cuda.threadIdx.x, cuda.grid(1)
    x, y, z = bodies[0, i], bodies[1, i], bodies[2, i]
    fx = fy = fz = float32(0)
    for first in range(0, bodies.shape[1], BODIES):
        for k in range(4):
            near[k, thread] = bodies[k, first + thread]
        cuda.syncthreads()
        for j in range(BODIES):
            dx, dy, dz = near[0, j] - x, near[1, j] - y, near[2, j] - z
            square = dx * dx + dy * dy + dz * dz + float32(1e-3)
            pull = near[3, j] / (square * math.sqrt(square))
            fx += pull * dx
            fy += pull * dy
            fz += pull * dz
        cuda.syncthreads()
    forces[0, i], forces[1, i], forces[2, i] = fx, fy, fz


@numba.njit(parallel=True, fastmath={"contract"})
def attract_by_hand(bodies, forces):
    for i in numba.prange(bodies.shape[1]):
        x, y, z = bodies[0, i], bodies[1, i], bodies[2, i]
        fx = fy = fz = np.float32(0)
        for j in range(bodies.shape[1]):
            dx, dy, dz = bodies[0, j] - x, bodies[1, j] - y, bodies[2, j] - z
            square = dx * dx + dy * dy + dz * dz + np.float32(1e-3)
            pull = bodies[3, j] / (square * math.sqrt(square))
            fx += pull * dx
            fy += pull * dy
            fz += pull * dz
        forces[0, i], forces[1, i], forces[2, i] = fx, fy, fz


def cases() -> Iterator[
    tuple[str, object, tuple[int, ...], tuple[int, ...], tuple[object, ...], Callable[..., object]]
]:
    """Return name, kernel, grid, block, arguments with what is written last, and the peer of each."""
    random = np.random.default_rng(0)
    a, b = random.random((2, 512, 512), dtype=np.float32)
    c = np.zeros_like(a)
    yield "naive matrix product 512^3", matmul, (32, 32), (16, 16), (a, b, c), matmul_by_hand
    yield "tiled matrix product 512^3", tiled_matmul, (32, 32), (16, 16), (a, b, c), matmul_by_hand
    x = random.random(10_000_000, dtype=np.float32)
    blocks = -(-x.size // THREADS)
    yield "block sums 1e7", block_sums, (blocks,), (THREADS,), (x, np.zeros(blocks, np.float32)), block_sums_by_hand
    data = random.integers(0, 256, 10_000_000, dtype=np.uint8)
    counts = np.zeros(256, np.int32)
    yield "histogram 1e7, global atomics", histogram, (256,), (256,), (data, counts), histogram_by_hand
    yield "histogram 1e7, shared atomics", shared_histogram, (256,), (256,), (data, counts), histogram_by_hand
    image = random.random((2048, 2048), dtype=np.float32)
    yield "stencil 2048^2", stencil, (64, 256), (32, 8), (image, np.zeros_like(image)), stencil_by_hand
    view = (np.float32(-2), np.float32(-1.25), np.float32(2.5 / 1024), 200)
    steps = np.zeros((1024, 1024), np.int32)
    yield "Mandelbrot 1024^2", mandelbrot, (64, 64), (16, 16), (*view, steps), mandelbrot_by_hand
    bodies = random.random((4, 8192), dtype=np.float32)
    yield "n-body 8192", attract, (64,), (BODIES,), (bodies, np.zeros((3, 8192), np.float32)), attract_by_hand


def measure(threads: int, only: str) -> list[dict[str, object]]:
    """Check and time every case."""
    numba.set_num_threads(threads)
    workers = simt.Workers(threads)
    rows = []
    for name, kernel, grid, block, args, peer in cases():
        if only not in name:
            continue
        *inputs, out = args
        wanted = np.zeros_like(out)
        out[...] = 0
        special = simt.Kernel(kernel).specialize(args)

        def ours(special=special, grid=grid, block=block, args=args):
            simt.run(special, grid, block, args, workers=workers)

        ours()
        peer(*inputs, wanted)
        different = np.mean(~np.isclose(out, wanted, rtol=1e-3))
        assert different < 1e-3, f"{name}: {different:.1%} of the results differ"
        row = compare(name, ours, lambda: peer(*inputs, wanted))  # noqa: B023
        rows.append({**row, "lowering": special.lowering, "compile_s": special.compile_s})
    workers.close()
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--only", default="", metavar="PART")
    options = parser.parse_args()
    rows = measure(options.threads, options.only)
    print(
        f"{'':32s} {'lowering':8s} {'ours ms':>9s} {'(half in)':>15s} {'njit ms':>9s} {'(half in)':>15s} {'speed':>7s}"
    )
    for row in rows:
        halves = [f"{low:.2f}-{high:.2f}" for low, high in (row["ours_half"], row["peer_half"])]
        print(
            f"{row['case']:32s} {row['lowering']:8s} {row['ours_ms']:9.2f} {halves[0]:>15s} {row['peer_ms']:9.2f}"
            f" {halves[1]:>15s} {row['speed']:6.2f}x"
        )
    if options.json:
        record = {"machine": platform.processor(), "python": platform.python_version(), "numba": numba.__version__}
        with open(options.json, "w") as file:
            json.dump({**record, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
