"""A matrix product by tiles: a block loads a tile of each factor into shared memory, and all its threads use it.

Source: CUDA C++ Programming Guide, "Shared Memory"; numba-cuda's documentation, "Matrix multiplication".
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import cuda

TILE = 16


@cuda.jit
def matmul(a, b, c):
    """Set c = a b, one element a thread, in blocks of 16 by 16 threads.

    Args:
        a: Shape (rows, inner) float32.
        b: Shape (inner, columns) float32.
        c: Shape (rows, columns) float32; written.
    """
    a_tile = cuda.shared.array((TILE, TILE), numba.float32)
    b_tile = cuda.shared.array((TILE, TILE), numba.float32)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    column, row = cuda.grid(2)
    total = numba.float32(0.0)
    for first in range(0, a.shape[1], TILE):
        a_tile[ty, tx] = 0.0
        b_tile[ty, tx] = 0.0
        if row < a.shape[0] and first + tx < a.shape[1]:
            a_tile[ty, tx] = a[row, first + tx]
        if first + ty < b.shape[0] and column < b.shape[1]:
            b_tile[ty, tx] = b[first + ty, column]
        cuda.syncthreads()
        for k in range(TILE):
            total += a_tile[ty, k] * b_tile[k, tx]
        cuda.syncthreads()
    if row < c.shape[0] and column < c.shape[1]:
        c[row, column] = total


def reference(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Compute `c` with NumPy, in float64."""
    return {"c": a.astype(np.float64) @ b.astype(np.float64)}


def example(rows: int = 500, inner: int = 300, columns: int = 400) -> dict[str, Any]:
    """Make two random matrices whose sides are no multiples of the tile."""
    random = np.random.default_rng(6)
    return {
        "a": random.standard_normal((rows, inner), dtype=np.float32),
        "b": random.standard_normal((inner, columns), dtype=np.float32),
        "c": np.zeros((rows, columns), np.float32),
        "over": (columns, rows),
        "block": (TILE, TILE),
    }
