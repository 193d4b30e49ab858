"""Device functions become part of a kernel on lanes.

With branches, loops and early returns, barriers and shared memory, and in one another.
"""

import numpy as np
import pytest
from numba import cuda, int64
from simt_launching import run

from rkruntime.errors import KernelFault


@cuda.jit(device=True)
def collatz(n, limit=100):
    steps = 0
    while n != 1:
        if steps >= limit:
            return -1
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


@cuda.jit(device=True)
def clipped(value, low, high):
    if value < low:
        return low
    if value > high:
        return high
    return value


@cuda.jit(device=True)
def both(n):
    return collatz(clipped(n, 1, 60)), collatz(n, limit=7)


@cuda.jit
def counted(x, out):
    i = cuda.grid(1)
    if i < x.size:
        total = 0
        for k in range(x[i] % 3 + 1):
            one, other = both(x[i] + k)
            total += 100 * one + other
        out[i] = total


def steps(n, limit=100):
    count = 0
    while n != 1:
        if count >= limit:
            return -1
        n, count = n // 2 if n % 2 == 0 else 3 * n + 1, count + 1
    return count


def test_functions_with_loops_and_returns():
    x = np.random.default_rng(2).integers(1, 99, 75)
    out = np.zeros(75, np.int64)
    assert run(counted, 3, 32, x, out, lowering="lanes").lowering == "lanes"
    wanted = [sum(100 * steps(int(np.clip(n + k, 1, 60))) + steps(int(n + k), 7) for k in range(n % 3 + 1)) for n in x]
    np.testing.assert_array_equal(out, wanted)


@cuda.jit(device=True)
def block_sum(value):
    parts = cuda.shared.array(64, int64)
    t = cuda.threadIdx.x
    parts[t] = value
    cuda.syncthreads()
    step = cuda.blockDim.x // 2
    while step > 0:
        if t < step:
            parts[t] += parts[t + step]
        cuda.syncthreads()
        step //= 2
    total = parts[0]
    cuda.syncthreads()
    return total


@cuda.jit
def twice_summed(x, out):
    i = cuda.grid(1)
    out[i] = block_sum(x[i]) + 1000 * block_sum(x[i] % 2)


@pytest.mark.parametrize("lowering", [None, "fibers"])
def test_functions_with_barriers_of_their_own(lowering):
    x = np.random.default_rng(2).integers(0, 9, 128)
    out = np.zeros(128, np.int64)
    assert run(twice_summed, 2, 64, x, out, lowering=lowering).lowering == lowering or "lanes"
    blocks = x.reshape(2, 64)
    np.testing.assert_array_equal(out, np.repeat(blocks.sum(1) + 1000 * (blocks % 2).sum(1), 64))


@cuda.jit(device=True)
def refused(value):
    if value == 13:
        raise ValueError("unlucky")
    return value * 2


@cuda.jit
def may_fail(x, out):
    i = cuda.grid(1)
    for _ in range(x[i] % 4):
        out[i] += refused(x[i])


def test_a_fault_in_a_function_names_its_line():
    x = np.arange(64) % 12
    x[39] = 13
    with pytest.raises(KernelFault, match="unlucky") as failed:
        run(may_fail, 2, 32, x, np.zeros(64, np.int64))
    assert (failed.value.block, failed.value.thread) == ((1, 0, 0), (7, 0, 0))
    assert "test_simt_lanes_devices.py" in str(failed.value)
