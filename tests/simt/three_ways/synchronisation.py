"""Threads that wait for one another."""

import numpy as np
from numba import cuda
from numba.cuda import cg  # noqa: F401 - which the simulator wants imported

from three_ways.case import Case


@cuda.jit
def halving(x, out):
    held = cuda.shared.array(32, np.int64)
    t = cuda.threadIdx.x
    held[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    step = cuda.blockDim.x // 2
    while step > 0:
        if t < step:
            held[t] += held[t + step]
        cuda.syncthreads()
        step //= 2
    if t == 0:
        out[cuda.blockIdx.x] = held[0]


@cuda.jit
def waiting_in_branches(x, out):
    held = cuda.shared.array(16, np.int64)
    t = cuda.threadIdx.x
    held[t] = t
    if x[cuda.blockIdx.x] > 0:  # the same for a block
        cuda.syncthreads()
        value = held[(t + 1) % 16]
    else:
        for turn in range(3):
            held[t] += turn
            cuda.syncthreads()
        value = held[15 - t]
    out[cuda.grid(1)] = value


@cuda.jit
def some_return_early(out):
    held = cuda.shared.array(16, np.int64)
    t = cuda.threadIdx.x
    held[t] = t * t
    cuda.syncthreads()
    if t % 4 == 3:
        return
    out[cuda.grid(1)] = held[15 - t]
    cuda.syncthreads()
    held[t] = -t
    cuda.syncthreads()
    out[cuda.grid(1)] += held[t ^ 1] if (t ^ 1) % 4 != 3 else 0


@cuda.jit
def counting(x, out):
    i = cuda.grid(1)
    out[i, 0] = cuda.syncthreads_count(x[i] > 3)
    out[i, 1] = cuda.syncthreads_and(x[i] >= 0)
    out[i, 2] = cuda.syncthreads_or(x[i] > 90)
    out[i, 3] = cuda.syncthreads_and(x[i] > 3)


@cuda.jit
def fences(x, out):
    i = cuda.grid(1)
    x[i] += 1
    cuda.threadfence_block()
    x[i] *= 2
    cuda.threadfence()
    out[i] = x[i]
    cuda.threadfence_system()


@cuda.jit
def whole_grid(x, out):
    grid = cuda.cg.this_grid()
    i = cuda.grid(1)
    for turn in range(3):
        x[i] += turn + 1
        grid.sync()
        out[i] += x[(i + 5) % x.size]
        grid.sync()


def whole_grid_reference(x, out):
    for turn in range(3):
        x += turn + 1
        out += np.roll(x, -5)


@cuda.jit
def transposing(x, out):
    tile = cuda.shared.array((4, 5), np.float64)
    i, j = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    tile[tx, ty] = x[i, j]
    cuda.syncthreads()
    out[cuda.blockIdx.y * 4 + tx, cuda.blockIdx.x * 4 + ty] = tile[ty, tx]


@cuda.jit(device=True)
def neighbour(held, t, value):
    held[t] = value
    cuda.syncthreads()
    found = held[(t + 1) % held.size]
    cuda.syncthreads()
    return found


@cuda.jit
def in_device_functions(out):
    held = cuda.shared.array(16, np.int64)
    t = cuda.threadIdx.x
    value = t
    for _ in range(3):
        value = 3 * neighbour(held, t, value) + 1
    out[cuda.grid(1)] = value


CASES = [
    Case(halving, 2, 32, (np.arange(64) % 13, np.zeros(2, np.int64))),
    Case(waiting_in_branches, 2, 16, (np.array([1, 0]), np.zeros(32, np.int64))),
    Case(some_return_early, 2, 16, (np.zeros(32, np.int64),)),
    Case(counting, 2, 40, (np.arange(80) % 47, np.zeros((80, 4), np.int64))),
    Case(fences, 2, 8, (np.arange(16), np.zeros(16, np.int64))),
    Case(
        whole_grid,
        3,
        8,
        (np.arange(24), np.zeros(24, np.int64)),
        instead=whole_grid_reference,
        why="the simulator waits for one block only",
    ),
    Case(transposing, (2, 2), (4, 4), (np.arange(64.0).reshape(8, 8), np.zeros((8, 8)))),
    Case(in_device_functions, 2, 16, (np.zeros(32, np.int64),)),
]
