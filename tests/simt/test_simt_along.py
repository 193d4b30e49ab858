"""Loops along what each thread reads, that sum whole numbers: left to LLVM. Others that look like them are lanes."""

import numba
import numpy as np
import pytest
from numba import cuda, float32, uint32
from simt_launching import run

from rkruntime import simt
from rkruntime.simt._along import sums_along_rows
from rkruntime.simt._numba import types

pytestmark = pytest.mark.usefixtures("untraced")


@cuda.jit
def sums(x, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        total = 0
        for k in range(x.shape[1]):
            total += x[i, k]
        out[i] = total


@cuda.jit
def greatest(x, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        most = x[i, 0]
        for k in range(1, x.shape[1]):
            most = max(most, x[i, k])
        out[i] = most


@cuda.jit
def signs(x, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        bits = uint32(0)
        for k in range(16):
            if x[i, k] > 0:
                bits |= uint32(1) << uint32(k)
        out[i] = bits


@cuda.jit
def near_pairs(x, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        count = 0
        for k in range(i + 1, x.shape[0]):
            away = out[k] * 0 + k - i
            square = away * away
            if square < 5:
                count += 1
        out[i] = count


@cuda.jit
def sums_of_real_numbers(x, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        total = float32(0)
        for k in range(x.shape[1]):
            total += x[i, k]
        out[i] = total


@cuda.jit
def down_columns(x, out):
    i = cuda.grid(1)
    if i < x.shape[1]:
        total = 0
        for k in range(x.shape[0]):
            total += x[k, i]
        out[i] = total


@cuda.jit
def side_by_side(x, out):
    i = cuda.grid(1)
    if i < x.shape[0] - 3:
        total = 0
        for k in range(3):
            total += x[0, i + k]
        out[i] = total


@cuda.jit
def up_to_a_limit(x, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        total = 0
        for k in range(x.shape[1]):
            if total > 50:
                break
            total += x[i, k]
        out[i] = total


@cuda.jit
def carried(x, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        total, before = 0, 0
        for k in range(x.shape[1]):
            total += x[i, k] * before
            before = x[i, k]
        out[i] = total


@cuda.jit
def the_same_for_all(x, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        total = 0
        for k in range(out.size):
            total += out[k] * i
        out[i] = total


@cuda.jit
def into_memory(x, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        for k in range(x.shape[1]):
            out[i] += x[i, k]


def chosen(kernel, dtype):
    x = np.zeros((20, 16), dtype)
    return simt.Kernel(kernel).specialize((x, np.zeros(20, np.int64)))


def is_left(kernel, dtype):
    arrays = [types.Array(numba.from_dtype(np.dtype(dtype)), 2, "C"), types.Array(types.int64, 1, "C")]
    return sums_along_rows(simt.Kernel(kernel).program, arrays) is not None


@pytest.mark.parametrize("kernel", [sums, greatest, signs, near_pairs])
def test_sums_of_whole_numbers_along_rows_are_loops(kernel):
    special = chosen(kernel, np.int32)
    assert special.lowering == "loop"
    assert "which LLVM makes vectors of" in special.explain()


@pytest.mark.parametrize(
    "kernel",
    [sums_of_real_numbers, down_columns, side_by_side, up_to_a_limit, carried, into_memory],
)
def test_other_loops_are_none_that_llvm_makes_vectors_of(kernel):
    assert not is_left(kernel, np.int32)


def test_what_all_threads_read_is_for_lanes():
    assert chosen(the_same_for_all, np.int32).lowering == "lanes"


@pytest.mark.parametrize(("kernel", "dtype"), [(sums, np.float32), (sums, np.int8), (greatest, np.float64)])
def test_it_is_a_matter_of_types(kernel, dtype):
    """Of real numbers the order counts, and bytes are gathered as words."""
    assert not is_left(kernel, dtype)


def test_conditions_may_be_of_real_numbers():
    special = chosen(signs, np.float32)
    x = np.random.default_rng(0).normal(size=(20, 16)).astype(np.float32)
    run(signs, 1, 32, x, out := np.zeros(20, np.int64))
    assert special.lowering == "loop"
    np.testing.assert_array_equal(out, (x > 0) @ (1 << np.arange(16)))
