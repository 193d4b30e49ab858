"""A sparse matrix times a vector: one warp a row, its sum by shuffles.

Source: Bell and Garland, "Efficient Sparse Matrix-Vector Multiplication on CUDA" (NVIDIA, 2008), the vector kernel;
CUDA C++ Programming Guide, "Warp Shuffle Functions".
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cuda

WARP = 32
ALL_LANES = 0xFFFFFFFF


@cuda.jit
def spmv(starts, columns, values, x, y):
    """Set y = A x for a matrix in compressed rows; the block's size must be a multiple of 32.

    Args:
        starts: Where each row begins in `columns` and `values`, and the end; shape (rows + 1,) int32.
        columns: Column of each stored value, shape (stored,) int32.
        values: Shape (stored,) float64.
        x: Shape (columns,) float64.
        y: Shape (rows,) float64; written.
    """
    row = cuda.grid(1) // WARP
    lane = cuda.threadIdx.x % WARP
    if row < y.size:
        total = 0.0
        for k in range(starts[row] + lane, starts[row + 1], WARP):
            total += values[k] * x[columns[k]]
        offset = WARP // 2
        while offset > 0:
            total += cuda.shfl_down_sync(ALL_LANES, total, offset)
            offset //= 2
        if lane == 0:
            y[row] = total


def reference(
    starts: npt.NDArray[Any], columns: npt.NDArray[Any], values: npt.NDArray[Any], x: npt.NDArray[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Compute `y` with NumPy, by adding each stored value's share to its row."""
    y = np.zeros(starts.size - 1)
    np.add.at(y, np.repeat(np.arange(y.size), np.diff(starts)), values * x[columns])
    return {"y": y}


def example(side: int = 100) -> dict[str, Any]:
    """Take the five-point Laplacian of a `side` by `side` grid, as a matrix, with two dense rows added to it."""
    cells = side * side
    cell = np.arange(cells)
    row, column, value = [cell], [cell], [np.full(cells, 4.0)]
    for step, inside in ((1, cell % side < side - 1), (side, cell < cells - side)):
        row += [cell[inside], cell[inside] + step]
        column += [cell[inside] + step, cell[inside]]
        value += [np.full(np.count_nonzero(inside), -1.0)] * 2
    row += [np.full(cells, cells), np.full(cells, cells + 1)]
    column += [cell, cell]
    value += [np.full(cells, 1.0 / cells), cell / cells]
    rows = np.concatenate(row)
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows))]).astype(np.int32)
    return {
        "starts": starts,
        "columns": np.concatenate(column)[order].astype(np.int32),
        "values": np.concatenate(value)[order],
        "x": np.random.default_rng(7).standard_normal(cells),
        "y": np.zeros(starts.size - 1),
        "over": (starts.size - 1) * WARP,
        "block": 128,
    }
