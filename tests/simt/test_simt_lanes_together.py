"""What threads of a block do together, on lanes of several widths, against fibers."""

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

WIDTHS = (1, 8, 16, 64)


def agrees(kernel, grid, block, *args, width, shared=0):
    """Run on lanes and on fibers; the arrays are the same afterwards. Return the lanes' specialisation."""
    got, wanted = ([one.copy() if isinstance(one, np.ndarray) else one for one in args] for _ in range(2))
    special = run(kernel, grid, block, *got, lowering="lanes", width=width, shared=shared)
    run(kernel, grid, block, *wanted, lowering="fibers", shared=shared)
    for one, other in zip(got, wanted, strict=True):
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
    assert any((one != other).any() for one, other in zip(got, args, strict=True) if isinstance(one, np.ndarray))
    return special


@cuda.jit
def dynamic_views(x, out):
    halves = cuda.shared.array(0, np.int32)
    words = cuda.shared.array(0, np.int64)
    t, i, n = cuda.threadIdx.x, cuda.grid(1), cuda.blockDim.x
    words[t] = x[i]
    cuda.syncthreads()
    out[i, 0] = halves[2 * (n - 1 - t)] + words[(t + 1) % n]
    cuda.syncthreads()
    if t < 4:
        halves[words.size + t] = t
    cuda.syncthreads()
    out[i, 1] = halves[words.size + i % 4]
    out[i, 2] = words.size * 1000 + halves.size


@pytest.mark.parametrize("width", WIDTHS)
def test_dynamic_shared_memory_with_two_views(width):
    x = np.random.default_rng(0).integers(-(2**40), 2**40, 100)
    agrees(dynamic_views, 2, 50, x, np.zeros((100, 3), np.int64), width=width, shared=50 * 8 + 40)


@cuda.jit
def counting(x, out):
    i = cuda.grid(1)
    count = cuda.syncthreads_count(x[i] > 0)
    every = cuda.syncthreads_and(x[i])
    some = 0
    for k in range(3):
        some += (k + 1) * cuda.syncthreads_or(x[i] == k)
    if count > 20:
        out[i] = count + 1000 * every + 10000 * some + x[i] * cuda.syncthreads_count(i % 3 == 0)
    else:
        out[i] = -count - 1000 * every - 10000 * some


@pytest.mark.parametrize("block", [40, (5, 3), (16, 4)])
@pytest.mark.parametrize("width", WIDTHS)
def test_barriers_that_count(width, block):
    threads = int(np.prod(block))
    grid = 4 if isinstance(block, int) else (4, 1)
    x = np.random.default_rng(1).integers(0, 3, 4 * threads)
    x[:threads], x[threads : 2 * threads] = 0, 2
    agrees(counting, grid, block, x, np.zeros(x.size, np.int64), width=width)
