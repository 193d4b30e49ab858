"""Diffusion on a grid, a five-point stencil: heat in a plate, or soil that creeps down a hillside.

Source: FTCS scheme, Press et al., "Numerical Recipes", 20.2. As a law of hillslopes: Culling, "Analytical Theory of
Erosion", Journal of Geology 68 (1960).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cuda

from rkkernels.data import terrain


@cuda.jit
def diffuse(now, after, number_x, number_y):
    """Take one explicit step, one cell a thread; nothing crosses the edges.

    Args:
        now: Shape (rows, columns), floating.
        after: The same shape and type; written. Swap the two for the next step.
        number_x: Diffusivity * seconds / (cell width)^2, no unit; number_x + number_y <= 0.5 is stable.
        number_y: The same from row to row.
    """
    column, row = cuda.grid(2)
    rows, columns = now.shape
    if row < rows and column < columns:
        here = now[row, column]
        west = now[row, max(column - 1, 0)]
        east = now[row, min(column + 1, columns - 1)]
        north = now[max(row - 1, 0), column]
        south = now[min(row + 1, rows - 1), column]
        after[row, column] = here + number_x * (west - 2.0 * here + east) + number_y * (north - 2.0 * here + south)


def reference(now: npt.NDArray[Any], number_x: float, number_y: float) -> dict[str, npt.NDArray[Any]]:
    """Compute `after` as what flows through the cells' walls, with NumPy's differences."""
    after = now.copy()
    east, south = number_x * np.diff(now, axis=1), number_y * np.diff(now, axis=0)
    after[:, :-1] += east
    after[:, 1:] -= east
    after[:-1, :] += south
    after[1:, :] -= south
    return {"after": after}


def example() -> dict[str, Any]:
    """Let the slopes of the Jacksboro fault creep for 40,000 years at 0.01 m2 a year, float32."""
    height, width_m, length_m = terrain()
    moved_m2 = 0.01 * 40_000
    return {
        "now": height.astype(np.float32),
        "after": np.zeros(height.shape, np.float32),
        "number_x": np.float32(moved_m2 / width_m**2),
        "number_y": np.float32(moved_m2 / length_m**2),
        "over": (height.shape[1], height.shape[0]),
        "block": (32, 8),
    }
