"""The kernels of the issue's table, each beside a hand-written numba.njit(parallel=True) loop in its natural form:
row order in the matrix product, private counters in the histogram."""

import math

import numba
import numpy as np
from numba import cuda, float32, int32

TILE, THREADS, BODIES = 16, 256, 128


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
