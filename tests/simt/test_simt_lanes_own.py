"""Arrays of a thread's own on lanes of several widths, against loops and fibers."""

import numpy as np
import pytest
from numba import cuda
from simt_launching import run
from test_simt_lanes_together import WIDTHS, agrees

from rkruntime import simt


@cuda.jit(device=True)
def turned(mine, by):
    for k in range(len(mine)):
        mine[k] += mine[(k + by) % mine.size] * mine.shape[0]
    return mine[-1]


@cuda.jit
def mixed(x, out):
    i = cuda.grid(1)
    if i >= x.size:
        return
    mine = cuda.local.array(5, np.int32)
    table = cuda.local.array((2, 3), np.float64)
    seen = cuda.local.array(7, np.bool_)
    for k in range(5):
        mine[k] = x[i] * k
        seen[k] = False
    seen[5] = seen[6] = x[i] > 0
    seen[abs(x[i]) % 7] = True
    for row in range(2):
        for column in range(3):
            table[row, column] = row * 10 + column
    if x[i] % 3 == 0:
        mine[x[i] % 5] = 7
        table[1, -1] = x[i]
        seen[0] = not seen[1]
    while mine[1] > 20:
        mine[1] //= 2
        mine[-(1 + x[i] % 2)] += 1
    total = turned(mine, x[i] & 3)
    for k in range(7):
        total += (1 << k) * seen[k]
    out[i] = total + table[1, 2] + table[i % 2, i % 3]


@pytest.mark.parametrize("width", WIDTHS)
def test_they_hold_what_each_thread_wrote(width):
    x = np.random.default_rng(1).integers(-60, 90, 150)
    results = []
    for lowering in ("loop", "lanes"):
        out = np.zeros(150)
        special = run(mixed, 3, 64, x, out, lowering=lowering, width=width if lowering == "lanes" else None)
        assert special.lowering == lowering
        results.append(out)
    np.testing.assert_array_equal(*results)
    assert len(set(results[0])) > 20


@cuda.jit
def across_barriers(x, out):
    shared = cuda.shared.array(40, np.int64)
    mine = cuda.local.array(4, np.int64)
    t, i = cuda.threadIdx.x, cuda.grid(1)
    for k in range(4):
        mine[k] = x[i] + k
    for turn in range(3):
        shared[t] = mine[(turn + t) % 4]
        cuda.syncthreads()
        mine[x[i] % 4] += shared[(t + 1) % cuda.blockDim.x]
        cuda.syncthreads()
    if x[i] > 50:
        out[i] = -mine[0]
        return
    cuda.syncthreads()
    out[i] = mine[0] + mine[1] * 3 + mine[2] * 5 + mine[3] * 7


@pytest.mark.parametrize("block", [40, (5, 3)])
@pytest.mark.parametrize("width", WIDTHS)
def test_they_outlive_barriers(width, block):
    x = np.random.default_rng(2).integers(0, 70, 80)
    agrees(across_barriers, 2 if block == 40 else (2, 1), block, x, np.zeros(80, np.int64), width=width)


@cuda.jit
def sliced(x, out):
    i = cuda.grid(1)
    mine = cuda.local.array(6, np.float64)
    for k in range(6):
        mine[k] = x[i] * k
    out[i] = mine[2:4].sum()


def test_a_use_of_the_whole_goes_to_a_loop():
    x = np.random.default_rng(3).random(64)
    out = np.zeros(64)
    special = run(sliced, 2, 32, x, out)
    assert special.lowering == "loop"
    assert "uses it as a whole" in special.explain()
    np.testing.assert_allclose(out, 5 * x)


def test_kernels_with_loops_and_own_arrays_take_lanes():
    special = simt.Kernel(mixed).specialize((np.zeros(4, np.int64), np.zeros(4)))
    assert special.lowering == "lanes"
