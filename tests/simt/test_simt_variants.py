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


def test_a_loop_over_a_declared_function_is_left_to_threads_of_their_own(add):
    declared(add, WHOLE)

    @cuda.jit
    def sums(x, out):
        i = cuda.grid(1)
        total = 0
        for k in range(x.size):
            total = add(total, x[k])
        out[i] = total

    out = np.zeros(8)
    special = run(sums, 2, 4, np.full(5, 1.75), out)
    assert special.lowering == "loop"
    np.testing.assert_array_equal(out, 5)


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
