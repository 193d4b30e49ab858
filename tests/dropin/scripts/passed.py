"""Device functions as arguments of kernels, which the simulator has and a GPU has not."""

import numpy as np
from numba import cuda


@cuda.jit(device=True)
def square(x):
    return x * x


@cuda.jit(device=True)
def after_a_barrier(x):
    cuda.syncthreads()
    return x + cuda.threadIdx.x


@cuda.jit("float64(float64)", device=True)
def declared(x):
    return x / 4


@cuda.jit
def apply(function, x, out, times):
    i = cuda.grid(1)
    value = x[i]
    for _ in range(times):
        value = function(value)
    out[i] = value


X = np.arange(64.0)
CASES = ((square, X**4), (after_a_barrier, X + 2 * (np.arange(64) % 32)), (declared, X / 16))

if __name__ == "__main__":
    for function, wanted in CASES:
        for _ in range(2):
            out = np.zeros(64)
            apply[2, 32](function, X, out, 2)
            np.testing.assert_array_equal(out, wanted)
    assert len(apply.overloads) == len(CASES)
    print("ok")
