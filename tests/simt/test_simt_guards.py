"""Guards that become bounds of the thread loop: what is taken means the same, and what could mean another stays."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import cuda, float64
from simt_launching import blocks_for, run

from rkruntime import simt

BLOCKS = (1, 2, 31, 32, 33, 256)


@cuda.jit
def guarded(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = 2 * x[i]


@cuda.jit
def guarded_by_return(x, out):
    """The other spelling, of index and guard."""
    i = cuda.threadIdx.x + cuda.blockIdx.x * cuda.blockDim.x
    n = len(out)
    if i >= n:
        return
    out[i] = 2 * x[i]


@cuda.jit
def guarded_late(x, out):
    """Nothing to take: the guard follows a store."""
    i = cuda.grid(1)
    out[min(i, out.size - 1)] += 0
    if i < out.size:
        out[i] = 2 * x[i]


@cuda.jit
def guarded_with_else(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = 2 * x[i]
    else:
        out[i % x.size] = 2 * x[i % x.size]


@cuda.jit
def guarded_in_the_middle(x, out):
    """Nothing to take: more follows the guard."""
    i = cuda.grid(1)
    j = i
    if i < out.size:
        j = i + 0
    if j < out.size:
        out[j] = 2 * x[j]


WEIGHTS = np.array([0.5, 1.5])


@cuda.jit
def guarded_after_arrays(x, out):
    """A constant array, and one of the thread's own, are made without effects."""
    weights = cuda.const.array_like(WEIGHTS)
    mine = cuda.local.array(2, float64)
    i = cuda.grid(1)
    if i < out.size:
        for k in range(2):
            mine[k] = weights[k] * x[i]
        out[i] = mine[0] + mine[1]


GUARDS = {
    guarded: 1,
    guarded_after_arrays: 1,
    guarded_by_return: 1,
    guarded_late: 0,
    guarded_with_else: 0,
    guarded_in_the_middle: 0,
}


@pytest.mark.parametrize("kernel", GUARDS, ids=lambda kernel: kernel.py_func.__name__)
@pytest.mark.parametrize("block", BLOCKS)
def test_guards_taken_or_not_mean_the_same(kernel, block):
    x = np.arange(1000, dtype=np.float64)
    out = np.full(1000, -1.0)
    special = run(kernel, blocks_for(1000, block) + 2, block, x, out)
    np.testing.assert_array_equal(out, 2 * x)
    assert special.explain().count("bounds the loop") == GUARDS[kernel]


@cuda.jit
def interior(a, out):
    x, y = cuda.grid(2)
    rows, columns = a.shape
    if 0 < x < columns - 1 and y >= 1 and y < rows - 1:
        out[y, x] = a[y - 1, x] + a[y + 1, x] + a[y, x - 1] + a[y, x + 1]


@cuda.jit
def interior_by_returns(a, out):
    x = cuda.blockDim.x * cuda.blockIdx.x + cuda.threadIdx.x
    y = cuda.threadIdx.y + cuda.blockIdx.y * cuda.blockDim.y
    if x < 1 or not x < a.shape[1] - 1:
        return
    if y == 0:
        return
    if y >= a.shape[0] - 1:
        return
    out[y, x] = a[y - 1, x] + a[y + 1, x] + a[y, x - 1] + a[y, x + 1]


@pytest.mark.parametrize("kernel", [interior, interior_by_returns], ids=["and", "returns"])
@pytest.mark.parametrize("block", [(1, 1), (16, 4), (5, 7), (32, 8)])
def test_guards_with_both_ends_along_two_axes(kernel, block):
    a = np.random.default_rng(0).random((37, 53))
    out = np.zeros_like(a)
    run(kernel, (blocks_for(53, block[0]) + 1, blocks_for(37, block[1]) + 1), block, a, out)
    wanted = np.zeros_like(a)
    wanted[1:-1, 1:-1] = a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:]
    np.testing.assert_allclose(out, wanted, rtol=1e-15)


@cuda.jit
def compare(bound, seen):
    i = cuda.grid(1)
    if i < bound:
        seen[i, 0] = 1


@cuda.jit
def compare_at_most(bound, seen):
    i = cuda.grid(1)
    if bound >= i:
        seen[i, 0] = 1


@cuda.jit
def compare_above(bound, seen):
    i = cuda.grid(1)
    if i > bound and True:
        seen[i, 0] = 1


@cuda.jit
def compare_denied(bound, seen):
    i = cuda.grid(1)
    if i >= bound:
        return
    seen[i, 0] = 1


@cuda.jit
def compare_equal(bound, seen):
    i = cuda.grid(1)
    if i == bound:
        seen[i, 0] = 1


COMPARISONS = {
    compare: lambda i, b: i < b,
    compare_at_most: lambda i, b: b >= i,
    compare_above: lambda i, b: i > b,
    compare_denied: lambda i, b: not i >= b,
    compare_equal: lambda i, b: i == b,
}


@pytest.mark.parametrize("kernel", COMPARISONS, ids=lambda kernel: kernel.py_func.__name__)
@settings(max_examples=60, deadline=None)
@given(
    bound=st.one_of(
        st.integers(-40, 140),
        st.sampled_from([-(1 << 63), (1 << 63) - 1, True, np.uint64(2**64 - 1), np.int8(-3), np.uint8(200)]),
        st.floats(-40, 140),
        st.sampled_from([math.nan, math.inf, -math.inf, -0.0, np.float32(12.5)]),
    )
)
def test_guard_with_any_bound_passes_the_same_threads(kernel, bound):
    """Bounds may be negative, huge, fractional or not a number, of any type."""
    seen = np.zeros((96, 1), np.int64)
    run(kernel, 3, 32, bound, seen)
    assert seen[:, 0].tolist() == [int(COMPARISONS[kernel](i, bound)) for i in range(96)]


@cuda.jit
def first_thread(out):
    if cuda.threadIdx.x == 0:
        out[cuda.blockIdx.x] += 1


@cuda.jit
def thread_below(n, out):
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    if t < n and i < out.size:
        out[i] += 1


def test_guards_on_the_thread_index():
    out = np.zeros(5, np.int64)
    run(first_thread, 5, 33, out)
    assert out.tolist() == [1] * 5
    out = np.zeros(100, np.int64)
    assert "over x" in run(thread_below, 4, 32, 10, out).explain()
    assert out.tolist() == [int(i % 32 < 10) for i in range(100)]


@cuda.jit
def changing_parameter(n, out):
    i = cuda.grid(1)
    n = n - 1
    if i < n:
        out[i] = n


def test_a_bound_that_the_kernel_changes_is_followed():
    out = np.zeros(64, np.int64)
    run(changing_parameter, 2, 32, 11, out)
    assert out.tolist() == [10] * 10 + [0] * 54


def test_run_takes_numbers_and_tuples():
    out = np.zeros(40)
    x = np.arange(40.0)
    special = simt.Kernel(guarded).specialize((x, out))
    simt.run(special, 2, 32, (x, out))
    np.testing.assert_array_equal(out, 2 * x)
    simt.run(special, (2,), (32, 1), (out, x))
    np.testing.assert_array_equal(x, 2 * out)
