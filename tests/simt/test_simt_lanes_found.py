"""Kernels that once gave something else on lanes than as loops; each is the smallest that did."""

# ruff: noqa: SIM108

import numpy as np
import pytest
from numba import cuda
from simt_launching import blocks_for, run

from rkruntime import simt
from rkruntime.errors import KernelCompileError
from rkruntime.simt.lanes._values import LaneValues

SIZE = 300


@cuda.jit
def place_or_constant(x, out):
    i = cuda.grid(1)
    if i < out.size:
        if x[0] > 5:
            y = i
        else:
            y = 3
        out[i] = y


@cuda.jit
def place_then_constant(x, out):
    i = cuda.grid(1)
    if i < out.size:
        y = i
        for _ in range(2):
            out[i] += y
            y = 7


@cuda.jit
def place_in_a_byte(x, out):
    i = cuda.grid(1)
    if i < out.size:
        j = np.uint8(i + 8)
        out[i] = x[j] + j


@cuda.jit
def place_below_zero(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = np.uint32(i - 8)


@cuda.jit(device=True)
def place_in_block(x):
    return cuda.threadIdx.x + x.size


@cuda.jit
def place_from_a_device_function_where_threads_part(x, out):
    i = cuda.grid(1)
    if i < out.size and i % 3 == 1:
        out[i] = place_in_block(x)


@cuda.jit
def a_pair_of_pairs(x, out):
    i = cuda.grid(1)
    if i < out.size:
        pairs = (1, 2), (x[i], i)
        for k in range(x[i]):
            out[i] += pairs[0][1] * k + pairs[1][0]


CASES = (
    place_or_constant,
    place_then_constant,
    place_in_a_byte,
    place_below_zero,
    place_from_a_device_function_where_threads_part,
    a_pair_of_pairs,
)


@pytest.mark.parametrize("kernel", CASES, ids=lambda one: one.__name__)
def test_lanes_agree_with_loops_where_they_once_did_not(kernel):
    results = {}
    for lowering in ("loop", "lanes"):
        results[lowering] = np.zeros(SIZE, np.int64)
        run(kernel, blocks_for(SIZE, 48), 48, np.arange(SIZE) % 11, results[lowering], lowering=lowering)
    np.testing.assert_array_equal(results["lanes"], results["loop"])


def test_a_mistake_of_ours_leaves_a_kernel_to_loops_unless_lanes_are_asked_for(monkeypatch):
    """Under the drop-in, the simulator would run it otherwise, 100,000 times slower."""
    monkeypatch.setenv("RKRUNTIME_CACHE_DIR", "")
    monkeypatch.setattr(LaneValues, "_fit", lambda *_: [] + 1)
    out = np.zeros(SIZE, np.int64)
    args = (np.arange(SIZE) % 11, out)
    kernel = cuda.jit(a_pair_of_pairs.py_func)
    assert simt.Kernel(kernel).choice.lowering == "lanes"
    special = run(kernel, blocks_for(SIZE, 48), 48, *args)
    assert special.lowering == "loop"
    assert "lanes failed at it: TypeError" in special.explain()
    assert out[10] == sum(2 * k + 10 for k in range(10))
    with pytest.raises(KernelCompileError):
        simt.Kernel(kernel, lowering="lanes").specialize(args)
