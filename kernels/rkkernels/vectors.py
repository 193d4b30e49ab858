"""A scaled vector added to another: the first kernel everyone writes.

Source: BLAS level 1 (Lawson, Hanson, Kincaid, Krogh 1979); CUDA C++ Programming Guide, "Kernels".
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cuda


@cuda.jit
def saxpy(a, x, y, out):
    """Set out = a x + y, one element a thread.

    Args:
        a: A number.
        x: Shape (n,), floating.
        y: Shape (n,), of x's type.
        out: Shape (n,), of x's type; written.
    """
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a * x[i] + y[i]


def reference(a: float, x: npt.NDArray[Any], y: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Compute `out` with NumPy."""
    return {"out": a * x + y}


def example(n: int = 1_000_000) -> dict[str, Any]:
    """Make two random vectors of `n` float32."""
    random = np.random.default_rng(1)
    x, y = random.standard_normal((2, n), dtype=np.float32)
    return {"a": np.float32(2.5), "x": x, "y": y, "out": np.zeros_like(x), "over": n, "block": 256}
