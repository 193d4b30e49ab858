"""A histogram: each block counts in shared memory, and adds its counts to the whole's at the end.

Source: Podlozhnyuk, "Histogram calculation in CUDA" (NVIDIA, 2007); CUDA C++ Programming Guide, "Atomic Functions".
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import cuda

from rkkernels.data import camera

LEVELS = 256


@cuda.jit
def histogram(levels, counts):
    """Count how often each grey level occurs.

    Args:
        levels: Shape (n,) uint8.
        counts: Shape (256,) int32; added to, so zero it first.
    """
    mine = cuda.shared.array(LEVELS, numba.int32)
    for level in range(cuda.threadIdx.x, LEVELS, cuda.blockDim.x):
        mine[level] = 0
    cuda.syncthreads()
    for i in range(cuda.grid(1), levels.size, cuda.gridsize(1)):
        cuda.atomic.add(mine, levels[i], 1)
    cuda.syncthreads()
    for level in range(cuda.threadIdx.x, LEVELS, cuda.blockDim.x):
        cuda.atomic.add(counts, level, mine[level])


def reference(levels: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Compute `counts` with NumPy."""
    return {"counts": np.bincount(levels, minlength=LEVELS)}


def example() -> dict[str, Any]:
    """Count the grey levels of the photograph with 32 blocks."""
    return {"levels": camera().ravel(), "counts": np.zeros(LEVELS, np.int32), "grid": 32, "block": 256}
