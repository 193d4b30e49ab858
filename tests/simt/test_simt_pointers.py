"""Pointers as arguments, views made of them, and loops over tuples of several types."""

import numpy as np
import pytest
from numba import cuda
from numba.cuda import types
from numba.cuda.np.numpy_support import carray, farray
from simt_launching import run

from rkruntime.simt._pointers import Pointer

LOWERINGS = ["loop", "fibers", "lanes"]
MIXED = (1, 2.5, np.float32(0.25))


def pointer(array):
    return Pointer(array.ctypes.data, types.CPointer(types.float64))


@cuda.jit
def through_pointers(p, q, n):
    i = cuda.grid(1)
    if i < n:
        rows, columns = carray(q, (2, n)), farray(q, (2, n))
        p[i] += rows[1, i] * columns[0, i]


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("lowering", LOWERINGS)
def test_kernels_read_and_write_through_pointers(lowering, debug):
    p, q = np.arange(6.0), np.arange(12.0) + 1
    run(through_pointers, 2, 4, pointer(p), pointer(q), 6, lowering=lowering, debug=debug)
    np.testing.assert_array_equal(p, np.arange(6) + q[6:] * q[::2])


@cuda.jit
def unrolled(out):
    i = cuda.grid(1)
    total = 0.0
    for one in cuda.literal_unroll(MIXED):
        total += one * i
    out[i] = total


@pytest.mark.parametrize("lowering", LOWERINGS)
def test_a_loop_over_a_tuple_of_several_types_is_unrolled(lowering):
    out = np.zeros(8)
    run(unrolled, 2, 4, out, lowering=lowering)
    np.testing.assert_array_equal(out, 3.75 * np.arange(8))
