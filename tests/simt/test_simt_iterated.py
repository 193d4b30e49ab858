"""Loops over an array itself: the same for all threads, or each thread's own part."""

import numpy as np
import pytest
from numba import cuda, float64

from rkruntime import simt

pytestmark = pytest.mark.usefixtures("untraced")


@cuda.jit
def over_all(x, out):
    i = cuda.grid(1)
    if i < out.size:
        total = 0.0
        for value in x:
            total += value
        out[i] = total


@cuda.jit
def over_its_own(x, out):
    i = cuda.grid(1)
    if i < out.size:
        total = 0.0
        for value in x[i : i + 3]:
            total += value
        out[i] = total


@cuda.jit
def over_its_own_of_shared(x, out):
    part = cuda.shared.array(32, float64)
    i = cuda.grid(1)
    part[i] = x[i]
    cuda.syncthreads()
    total = 0.0
    for value in part[i : i + 3]:
        total += value
    out[i] = total


@pytest.mark.parametrize(
    ("kernel", "lowering"), [(over_all, "lanes"), (over_its_own, "loop"), (over_its_own_of_shared, "fibers")]
)
def test_each_thread_sees_its_own_elements(kernel, lowering):
    x, out = np.arange(32.0), np.zeros(32)
    special = simt.Kernel(kernel).specialize((x, out))
    simt.run(special, 1, 32, (x, out))
    own = [x[i : i + 3].sum() for i in range(32)]
    np.testing.assert_array_equal(out, np.full(32, x.sum()) if kernel is over_all else own)
    assert special.lowering == lowering
    assert ("iter(array(float64, 1d, C)) differs among threads" in special.explain()) == (lowering != "lanes")
