"""Two chemicals that react and spread, and so draw spots and stripes.

Source: Pearson, "Complex Patterns in a Simple System", Science 261 (1993), the Gray-Scott model.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cuda

SPREAD_U = np.float32(0.16)
SPREAD_V = np.float32(0.08)


@cuda.jit(device=True)
def laplacian(field, row, column):
    """Return the sum of the four neighbours less four times the cell, on a torus."""
    rows, columns = field.shape
    west = field[row, (column + columns - 1) % columns]
    east = field[row, (column + 1) % columns]
    north = field[(row + rows - 1) % rows, column]
    south = field[(row + 1) % rows, column]
    return west + east + north + south - np.float32(4.0) * field[row, column]


@cuda.jit
def gray_scott(u, v, u_after, v_after, feed, kill):
    """Take one step of time 1, one cell a thread, on a torus.

    Args:
        u: Concentration of the food, shape (rows, columns) float32.
        v: Concentration of the catalyst, the same shape and type.
        u_after: The same shape and type; written.
        v_after: The same shape and type; written. Swap the pairs for the next step.
        feed: Rate at which u is fed and both are washed out, float32.
        kill: Rate at which v decays besides, float32.
    """
    column, row = cuda.grid(2)
    if row < u.shape[0] and column < u.shape[1]:
        a = u[row, column]
        b = v[row, column]
        reacted = a * b * b
        u_after[row, column] = a + SPREAD_U * laplacian(u, row, column) - reacted + feed * (np.float32(1.0) - a)
        v_after[row, column] = b + SPREAD_V * laplacian(v, row, column) + reacted - (feed + kill) * b


def reference(u: npt.NDArray[Any], v: npt.NDArray[Any], feed: float, kill: float) -> dict[str, npt.NDArray[Any]]:
    """Compute the step with `np.roll`, in float64."""
    u, v = u.astype(np.float64), v.astype(np.float64)

    def spread(field: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return sum(np.roll(field, by, axis) for axis in (0, 1) for by in (-1, 1)) - 4 * field

    return {
        "u_after": u + 0.16 * spread(u) - u * v**2 + feed * (1 - u),
        "v_after": v + 0.08 * spread(v) + u * v**2 - (feed + kill) * v,
    }


def example(side: int = 256) -> dict[str, Any]:
    """Drop squares of the catalyst on a plate of food; 3,000 steps make a coral out of them."""
    random = np.random.default_rng(3)
    u, v = np.ones((side, side), np.float32), np.zeros((side, side), np.float32)
    for row, column in random.integers(0, side - side // 16, (12, 2)):
        square = np.s_[row : row + side // 16, column : column + side // 16]
        u[square], v[square] = 0.5, 0.25
    u += 0.02 * random.random(u.shape, dtype=np.float32)
    return {
        "u": u,
        "v": v,
        "u_after": np.zeros_like(u),
        "v_after": np.zeros_like(v),
        "feed": np.float32(0.0545),
        "kill": np.float32(0.062),
        "over": (side, side),
        "block": (16, 16),
    }
