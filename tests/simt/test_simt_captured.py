"""Device arrays that kernels refer to by name."""

import numpy as np
import pytest
from numba import cuda

from rkruntime import simt
from rkruntime.simt._schedule import InPlace


class OnDevice:
    """Memory that is called a device's, as other libraries hand it over."""

    def __init__(self, array):
        self.array = array
        self.__cuda_array_interface__ = array.__array_interface__ | {"version": 3}


WEIGHTS = OnDevice(np.arange(12.0).reshape(3, 4)[:, ::2])
COUNTS = OnDevice(np.zeros(3, np.int32))


def counting(weights):
    """Return a kernel that knows one of its arrays from a closure."""

    @cuda.jit(device=True)
    def weight(i):
        return weights[i % weights.shape[0], 1]

    @cuda.jit
    def weighed(x, out):
        i = cuda.grid(1)
        cuda.atomic.add(COUNTS, i % 3, 1)
        out[i] = x[i] * weight(i) + WEIGHTS[i % 3, 0]

    return weighed


def launch(kernel, *args):
    place = InPlace()
    error, _ = place.run(kernel.specialize(args), (2, 1, 1), (4, 1, 1), args)
    place.close()
    assert error is None


@pytest.mark.parametrize("lowering", ["loop", "fibers"])
def test_their_memory_is_read_and_written(lowering):
    x, out = np.arange(8.0), np.zeros(8)
    COUNTS.array[:] = 0
    kernel = simt.Kernel(counting(WEIGHTS), lowering=lowering)
    for scale in (1, 5):  # no copy of them is part of the kernel
        WEIGHTS.array[:] = scale * np.arange(6).reshape(3, 2)
        launch(kernel, x, out)
        i = np.arange(8)
        np.testing.assert_array_equal(out, x * WEIGHTS.array[i % 3, 1] + WEIGHTS.array[i % 3, 0])
    np.testing.assert_array_equal(COUNTS.array, [6, 6, 4])
