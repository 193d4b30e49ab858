"""What a user's script looks like: nothing of rkruntime is in it."""

import sys

import numpy as np
from numba import config, cuda


@cuda.jit
def saxpy(a, x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a * x[i] + y[i]


if __name__ == "__main__":
    n = int(sys.argv[1])
    x = np.arange(n, dtype=np.float32)
    y = np.ones(n, dtype=np.float32)
    d_out = cuda.device_array(n, np.float32)
    saxpy[(n + 255) // 256, 256](np.float32(2), cuda.to_device(x), cuda.to_device(y), d_out)
    cuda.synchronize()
    out = np.empty_like(x)
    saxpy[(n + 255) // 256, 256](2.0, x, y, out)
    np.testing.assert_array_equal(d_out.copy_to_host(), 2 * x + y)
    np.testing.assert_array_equal(out, 2 * x + y)
    print("ok", config.ENABLE_CUDASIM, sys.argv, type(d_out).__name__)
