"""Kernels run in two ways, by numba-cuda's simulator and by us; as a script, it does the first and prints results.

The simulator takes over numba.cuda when that is imported, so it needs a process of its own.
"""

import json
import math
import sys

import numpy as np
from numba import cuda


@cuda.jit(device=True)
def mixed(a, b):
    if a % 3 == 0:
        return a * b
    return a - 7 * b


@cuda.jit
def control_flow(x, out):
    i, j = cuda.grid(2)
    if i >= out.shape[1] or j >= out.shape[0]:
        return
    total = 0
    for k in range(x.size):
        if x[k] == i:
            continue
        if x[k] > 3 * j + 5:
            break
        total += mixed(x[k], j)
    else:
        total += 1000
    while total > 50:
        total //= 2
    out[j, i] = total


@cuda.jit
def votes(x, counts, largest):
    mine = cuda.local.array(3, np.int32)
    i = cuda.grid(1)
    step = cuda.gridsize(1)
    for k in range(3):
        mine[k] = 0
    while i < x.size:
        mine[x[i] % 3] += 1
        cuda.atomic.max(largest, 0, x[i])
        i += step
    for k in range(3):
        cuda.atomic.add(counts, k, mine[k])


@cuda.jit
def real_numbers(x, out):
    i = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    if 0 < i < x.size - 1:
        here = math.exp(-x[i]) * math.sin(x[i - 1]) + abs(x[i + 1])
        out[i] = math.sqrt(here * here) if here > 0 else -1.0


@cuda.jit
def turned(x, out):
    mine = cuda.shared.array(16, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    mine[t] = x[i] if i < x.size else -1
    cuda.syncthreads()
    if i < out.size:
        out[i] = mine[(t + 5) % 16] * cuda.blockDim.x + cuda.blockIdx.x


@cuda.jit
def turned_by_name(x, out):
    mine = cuda.shared.array(16, "f8")
    t = cuda.threadIdx.x
    mine[t] = x[t] / 2
    cuda.syncthreads()
    out[t] = mine[15 - t]


@cuda.jit
def summed(x, out):
    partial = cuda.shared.array(64, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    mine = 0
    for k in range(i, x.size, cuda.gridsize(1)):
        mine += x[k] * (1 + t % 3)
    partial[t] = mine
    cuda.syncthreads()
    step = cuda.blockDim.x // 2
    while step > 0:
        if t < step:
            partial[t] += partial[t + step]
        cuda.syncthreads()
        step //= 2
    if t == 0:
        out[cuda.blockIdx.x] = partial[0]


@cuda.jit
def transposed(x, out):
    tile = cuda.shared.array((5, 6), np.int64)
    column, row = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    held = 0
    for turn in range(3):
        if row < x.shape[0] and column < x.shape[1]:
            tile[ty, tx] = x[row, column] + turn
        else:
            tile[ty, tx] = -turn
        cuda.syncthreads()
        if turn % 2 == 0:
            held += tile[tx % 5, ty] * 10
            cuda.syncthreads()
        else:
            held -= tile[4 - ty, 5 - tx]
            cuda.syncthreads()
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = held


@cuda.jit
def left_early(x, out):
    shared = cuda.shared.array(16, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    if i >= x.size:
        return
    shared[t] = x[i]
    total = cuda.syncthreads_count(x[i] > 20)
    turns = 0
    while turns < x[i] % 4:
        cuda.syncthreads()
        total += shared[(t + turns) % 4] * (turns + 1)
        turns += 1
    out[i] = total * 10 + turns


CANNOT = {
    "left_early": ("loop",),
    "turned": ("loop",),
    "turned_by_name": ("loop",),
    "summed": ("loop",),
    "transposed": ("loop",),
}


def cases():
    """Return name, kernel, grid, block and new arguments of every case."""
    random = np.random.default_rng(4)
    numbers = random.integers(0, 40, 20)
    return [
        ("control_flow", control_flow, (3, 2), (4, 3), (numbers, np.zeros((5, 11), np.int64))),
        ("votes", votes, (2,), (5,), (numbers, np.zeros(3, np.int32), np.zeros(1, np.int64))),
        ("real_numbers", real_numbers, (4,), (8,), (random.random(29), np.zeros(29))),
        ("turned", turned, (2,), (16,), (numbers, np.zeros(27, np.int64))),
        ("left_early", left_early, (3,), (16,), (numbers, np.zeros(20, np.int64))),
        ("summed", summed, (3,), (64,), (np.arange(1000) % 37, np.zeros(3, np.int64))),
        ("transposed", transposed, (3, 2), (6, 5), (random.integers(0, 99, (9, 16)), np.zeros((9, 16), np.int64))),
        ("turned_by_name", turned_by_name, (1,), (16,), (numbers, np.zeros(16))),
    ]


if __name__ == "__main__":
    results = {}
    for name, kernel, grid, block, args in cases():
        kernel[grid, block](*args)
        results[name] = [one.tolist() for one in args]
    json.dump(results, sys.stdout)
