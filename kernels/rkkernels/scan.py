"""Running totals in three launches: within blocks, over the blocks' totals, and added back.

Source: Hillis and Steele, "Data Parallel Algorithms", CACM 29 (1986); the blocks as in Harris, Sengupta and Owens,
"Parallel Prefix Sum (Scan) with CUDA", GPU Gems 3, chapter 39.
"""

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import cuda

MAX_THREADS = 1024


@cuda.jit
def scan_blocks(values, running, totals):
    """Write the running totals within each block, and each block's total.

    Args:
        values: Shape (n,) int64.
        running: Shape (n,) int64; written: the sum up to and with each value, from its block's first on.
        totals: Shape (blocks,) int64; written.
    """
    sums = cuda.shared.array(MAX_THREADS, numba.int64)
    thread = cuda.threadIdx.x
    i = cuda.grid(1)
    sums[thread] = values[i] if i < values.size else 0
    cuda.syncthreads()
    distance = 1
    while distance < cuda.blockDim.x:
        before = sums[thread - distance] if thread >= distance else 0
        cuda.syncthreads()
        sums[thread] += before
        cuda.syncthreads()
        distance *= 2
    if i < values.size:
        running[i] = sums[thread]
    if thread == cuda.blockDim.x - 1:
        totals[cuda.blockIdx.x] = sums[thread]


@cuda.jit
def add_offsets(running, offsets):
    """Add to each block's running totals what the blocks before it came to; launch with the block of `scan_blocks`.

    Args:
        running: Shape (n,) int64; changed in place.
        offsets: Shape (blocks,) int64: the sum of all values before each block.
    """
    i = cuda.grid(1)
    if i < running.size:
        running[i] += offsets[cuda.blockIdx.x]


def reference(values: npt.NDArray[Any], totals: npt.NDArray[Any], block: int) -> dict[str, npt.NDArray[Any]]:
    """Compute `running` and `totals` of `scan_blocks` with NumPy; of `totals` only the number of blocks is read."""
    padded = np.zeros(totals.size * block, np.int64)
    padded[: values.size] = values
    rows = np.cumsum(padded.reshape(totals.size, block), axis=1)
    return {"running": rows.ravel()[: values.size], "totals": rows[:, -1]}


def reference_add_offsets(
    running: npt.NDArray[Any], offsets: npt.NDArray[Any], block: int
) -> dict[str, npt.NDArray[Any]]:
    """Compute `running` of `add_offsets` with NumPy."""
    return {"running": running + np.repeat(offsets, block)[: running.size]}


def example(n: int = 100_000, block: int = 256) -> dict[str, Any]:
    """Make `n` small random counts for `scan_blocks`."""
    values = np.random.default_rng(5).integers(0, 100, n)
    blocks = -(-n // block)
    return {
        "values": values,
        "running": np.zeros_like(values),
        "totals": np.zeros(blocks, np.int64),
        "grid": blocks,
        "block": block,
    }


def example_add_offsets(n: int = 100_000, block: int = 256) -> dict[str, Any]:
    """Make what the second launch leaves to the third."""
    first = example(n, block)
    scanned = reference(first["values"], first["totals"], block)
    offsets = np.cumsum(scanned["totals"]) - scanned["totals"]
    return {"running": scanned["running"], "offsets": offsets, "grid": first["grid"], "block": block}
