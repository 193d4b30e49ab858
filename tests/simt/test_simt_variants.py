"""Device functions that are called with functions, features and types, and such as declare signatures."""

import sys
from types import SimpleNamespace

import numba
import numpy as np
import pytest
from numba import cuda
from numba.core import types
from numba.core.typing import signature
from simt_launching import run

from rkruntime.errors import KernelCompileError


@cuda.jit(device=True)
def as_given(x):
    return x


@cuda.jit(device=True)
def shared_update(array, kind, size, operation, cast, value, wraps):
    partial = cuda.shared.array(size, kind)
    t = cuda.threadIdx.x
    partial[t] = 1
    cuda.syncthreads()
    at = cast(t % 2)
    if wraps:
        at = at % size
    operation(partial, at, value)
    cuda.syncthreads()
    array[t] = partial[t]


@cuda.jit
def adds(out):
    shared_update(out, np.uint32, 32, cuda.atomic.add, as_given, 2, wraps=True)


@cuda.jit
def takes_the_largest(out):
    shared_update(out, kind=numba.float32, size=32, operation=cuda.atomic.max, cast=int, value=2.5, wraps=False)


def test_features_types_and_constants_are_bound_to_parameters():
    for kernel, first in ((adds, 33), (takes_the_largest, 2.5)):
        out = np.zeros(32)
        run(kernel, 1, 32, out)
        np.testing.assert_array_equal(out, [first, first] + [1] * 30)


@pytest.fixture
def add():
    """Return a device function to be declared as `cuda.jit` does it from signatures, which needs a driver."""

    @cuda.jit(device=True)
    def add(x, y):
        return x + y

    yield add
    add.overloads.clear()  # which numba-cuda would finalise


def declared(add, *signatures):
    add._can_compile = False
    for one in signatures:
        add.overloads[one.args] = SimpleNamespace(signature=one)
    return add


def kernel_over(add):
    @cuda.jit
    def kernel(out, x, y):
        out[0] = add(x, y)

    return kernel


WHOLE = signature(types.int64, types.int64, types.int64)
REAL = signature(types.float64, types.float64, types.float64)
SINGLE = signature(types.float32, types.float32, types.float32)


@pytest.mark.parametrize(
    ("signatures", "args", "wanted"),
    [
        ((WHOLE,), (1.5, 2.5), 3),
        ((WHOLE, REAL), (1.5, 2.5), 4),
        ((WHOLE, REAL), (np.int32(1), 2.5), 3.5),
        ((SINGLE, REAL), (np.float32(1), np.float32(2**-25)), 1),
        ((SINGLE, REAL), (1, 2**-25), 1 + 2**-25),
        ((SINGLE,), (1.0, 2**-25), 1),
    ],
)
def test_arguments_and_results_are_converted_as_a_signature_says(add, signatures, args, wanted):
    out = np.zeros(1)
    run(kernel_over(declared(add, *signatures)), 1, 1, out, *args)
    assert out[0] == wanted


def summing(add):
    @cuda.jit
    def sums(x, out):
        i = cuda.grid(1)
        total = 0
        for k in range(x.size):
            total = add(total, x[k])
        out[i] = total

    return sums


def test_a_declared_function_is_part_of_a_kernel_on_lanes(add):
    out = np.zeros(8)
    special = run(summing(declared(add, WHOLE)), 2, 4, np.full(5, 1.75), out)
    assert special.lowering == "lanes"
    np.testing.assert_array_equal(out, 5)


def test_a_declared_function_with_a_choice_of_types_is_left_to_threads_of_their_own(add):
    out = np.zeros(8)
    special = run(summing(declared(add, WHOLE, REAL)), 2, 4, np.full(5, 1.75), out)
    assert special.lowering == "loop"
    assert f"{__file__}:{add.py_func.__code__.co_firstlineno + 1}" in special.explain()
    np.testing.assert_array_equal(out, 5 * 1.75)


@pytest.mark.parametrize("lowering", ["lanes", "fibers"])
def test_declared_functions_between_barriers_convert_and_check(add, lowering):
    @cuda.jit(device=True)
    def total(mine, largest):
        found = 0
        for k in range(mine.size):
            found += mine[k]
        return found > largest

    declared(add, signature(types.int32, types.int16, types.float32))
    declared(total, signature(types.boolean, types.int64[:], types.float64))

    @cuda.jit
    def kernel(x, out, above):
        shared = cuda.shared.array(64, np.int64)
        mine = cuda.local.array(2, np.int64)
        i = cuda.threadIdx.x
        mine[0], mine[1] = x[i], i
        shared[i] = add(x[i], i / 3)
        cuda.syncthreads()
        out[i] = shared[63 - i]
        above[i] = total(mine, 3 * i + 200)

    x = np.arange(64) * 70_000 // 64
    out, above = np.zeros(64, np.int64), np.zeros(64, bool)
    try:
        special = run(kernel, 1, 64, x, out, above, lowering=lowering)
    finally:
        total.overloads.clear()
    i = np.arange(64)
    sums = x.astype(np.int16).astype(np.float64) + (i / 3).astype(np.float32)
    np.testing.assert_array_equal(out, sums.astype(np.int32)[::-1])
    np.testing.assert_array_equal(above, x + i > 3 * i + 200)
    assert special.lowering == lowering


def test_arrays_given_to_a_declared_function_stay_alive():
    # Converted arrays were counted as given back twice, so that memory was freed under its owner.
    @cuda.jit(device=True)
    def total(x, out):
        for k in range(x.size):
            out[0] += x[k]

    declared(total, signature(types.none, types.float64[:], types.float64[:]))

    @cuda.jit
    def totals(x, out):
        i = cuda.grid(1)
        if i < out.size:
            total(x[i, :], out[i : i + 1])

    x, out = np.ones((1000, 3)), np.zeros(1000)
    counts = sys.getrefcount(x), sys.getrefcount(out)
    try:
        run(totals, 10, 100, x, out)
    finally:
        total.overloads.clear()
    assert (sys.getrefcount(x), sys.getrefcount(out)) == counts
    np.testing.assert_array_equal(out, 3)


def test_an_argument_that_no_signature_takes_is_named(add):
    with pytest.raises(KernelCompileError, match=r"with parameters \(complex128, complex128\)"):
        run(kernel_over(declared(add, WHOLE, REAL)), 1, 1, np.zeros(1, complex), 1j, 1j)
