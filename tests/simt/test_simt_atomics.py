"""Atomic operations: results and old values against NumPy, alone and with several threads at once."""

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime import simt
from rkruntime.errors import KernelCompileError

INTEGERS = (np.int32, np.int64, np.uint32, np.uint64)
NUMBERS = (*INTEGERS, np.float32, np.float64)


def kernel_for(operation):
    @cuda.jit
    def apply(array, values, old):
        i = cuda.grid(1)
        if i < values.size:
            old[i] = operation(array, i, values[i])

    return apply


A = [7, 0, 3, 250, 9]
V = [2, 5, 3, 9, 200]
EXPECTED = {
    "add": lambda a, v: a + v,
    "sub": lambda a, v: a - v,
    "and_": lambda a, v: a & v,
    "or_": lambda a, v: a | v,
    "xor": lambda a, v: a ^ v,
    "exch": lambda a, v: v,
    "max": np.maximum,
    "min": np.minimum,
    "nanmax": np.maximum,
    "nanmin": np.minimum,
    "inc": lambda a, v: np.where(a >= v, 0, a + 1),
    "dec": lambda a, v: np.where((a == 0) | (a > v), v, a - 1),
}
INTEGERS_ALONE = ("and_", "or_", "xor", "exch")
UNSIGNED_ALONE = ("inc", "dec")


def types_for(name):
    if name in UNSIGNED_ALONE:
        return INTEGERS[2:]
    return INTEGERS if name in INTEGERS_ALONE else NUMBERS


@pytest.mark.parametrize(("name", "dtype"), [(name, dtype) for name in EXPECTED for dtype in types_for(name)])
def test_each_operation(name, dtype):
    a, v = np.array(A, dtype), np.array(V, dtype)
    array, old = a.copy(), np.zeros_like(a)
    special = run(kernel_for(getattr(cuda.atomic, name)), 1, 32, array, v, old)
    np.testing.assert_array_equal(array, EXPECTED[name](a, v).astype(dtype))
    np.testing.assert_array_equal(old, a)
    assert special.written == {0, 2}
    assert special.lowering == "loop"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("max", [np.nan, 1, 3]), ("min", [np.nan, 1, 2]), ("nanmax", [5, 1, 3]), ("nanmin", [5, 1, 2])],
)
def test_extremes_with_nan(name, expected):
    array, old = np.array([np.nan, 1, 2]), np.zeros(3)
    run(kernel_for(getattr(cuda.atomic, name)), 1, 32, array, np.array([5, np.nan, 3]), old)
    np.testing.assert_array_equal(array, expected)


@cuda.jit
def signed_extremes(low, high, values):
    i = cuda.grid(1)
    if i < values.size:
        cuda.atomic.min(low, 0, values[i])
        cuda.atomic.max(high, (0, -1), values[i])


def test_signs_and_tuple_indices():
    values = np.array([-5, 3, -20, 8], np.int32)
    low, high = np.zeros(1, np.int32), np.zeros((1, 2), np.int32)
    run(signed_extremes, 1, 4, low, high, values)
    assert (low.tolist(), high.tolist()) == ([-20], [[0, 8]])


@cuda.jit
def swaps(array, out):
    out[0] = cuda.atomic.cas(array, 1, 5, 7)
    out[1] = cuda.atomic.cas(array, 1, 5, 9)
    out[2] = cuda.atomic.compare_and_swap(array, 1, 8)
    out[3] = cuda.atomic.cas(array, 2, 0, 1)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_compare_and_swap(dtype):
    array, out = np.array([1, 5, 4], dtype), np.zeros(4, dtype)
    run(swaps, 1, 1, array, out)
    assert (array.tolist(), out.tolist()) == ([8, 7, 4], [5, 7, 1, 4])


@cuda.jit
def count(levels, counts, sums, tops):
    i = cuda.grid(1)
    if i < levels.size:
        level = levels[i]
        cuda.atomic.add(counts, (level % 2, level // 2), 1)
        cuda.atomic.add(sums, level, 0.5)
        cuda.atomic.max(tops, level, i)


def test_several_threads_lose_nothing():
    levels = np.random.default_rng(1).integers(0, 8, 200_000).astype(np.int32)
    counts, sums, tops = np.zeros((2, 4), np.int64), np.zeros(8, np.float32), np.zeros(8, np.int64)
    args = (levels, counts, sums, tops)
    special = simt.Kernel(count).specialize(args)
    special.ns_per_block = 10_000.0
    workers = simt.Workers(3)
    try:
        simt.run(special, -(-levels.size // 64), 64, args, workers=workers)
    finally:
        workers.close()
    wanted = np.bincount(levels, minlength=8)
    np.testing.assert_array_equal(counts.T.ravel(), wanted)
    np.testing.assert_array_equal(sums, wanted / 2)
    assert tops.tolist() == [int(np.flatnonzero(levels == level).max()) for level in range(8)]


@cuda.jit
def add_to_bytes(array):
    cuda.atomic.add(array, 0, 1)


@cuda.jit
def add_with_one_index(array):
    cuda.atomic.add(array, 0, 1)


def test_what_atomics_do_not_take_is_named():
    with pytest.raises(KernelCompileError, match=r"cuda\.atomic\.add takes .* and this is uint8") as caught:
        run(add_to_bytes, 1, 1, np.zeros(1, np.uint8))
    assert caught.value.line == add_to_bytes.py_func.__code__.co_firstlineno + 2
    with pytest.raises(KernelCompileError, match="2 dimensions cannot be indexed"):
        run(add_with_one_index, 1, 1, np.zeros((1, 1), np.int32))
