"""A sum by blocks: threads meet at barriers, and halve their number at each.

Source: Harris, "Optimizing Parallel Reduction in CUDA" (NVIDIA, 2007), sequential addressing.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import cuda

MAX_THREADS = 1024


@cuda.jit
def block_sum(values, partial):
    """Sum what falls to each block, in shared memory; the caller adds up one number a block.

    The block's size must be a power of two, at most 1,024. Each thread first adds up its own values, one grid apart.

    Args:
        values: Shape (n,) float32 or float64.
        partial: Shape (blocks,) float64; written.
    """
    sums = cuda.shared.array(MAX_THREADS, numba.float64)
    thread = cuda.threadIdx.x
    total = numba.float64(0.0)
    for i in range(cuda.grid(1), values.size, cuda.gridsize(1)):
        total += values[i]
    sums[thread] = total
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if thread < half:
            sums[thread] += sums[thread + half]
        cuda.syncthreads()
        half //= 2
    if thread == 0:
        partial[cuda.blockIdx.x] = sums[0]


def reference(values: npt.NDArray[Any], partial: npt.NDArray[Any], block: int) -> dict[str, npt.NDArray[Any]]:
    """Compute `partial` with NumPy; of `partial` only the number of blocks is read."""
    padded = np.zeros(-(-values.size // (block * partial.size)) * block * partial.size)
    padded[: values.size] = values
    return {"partial": padded.reshape(-1, partial.size, block).sum(axis=(0, 2))}


def example(n: int = 1_000_000, block: int = 256) -> dict[str, Any]:
    """Make `n` random float32 for 64 blocks."""
    values = np.random.default_rng(4).random(n, dtype=np.float32)
    return {"values": values, "partial": np.zeros(64), "grid": 64, "block": block}
