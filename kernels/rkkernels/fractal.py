"""The Mandelbrot set: neighbouring threads loop for different times.

Source: Mandelbrot, "Fractal Aspects of the Iteration of z -> lambda z (1 - z)", Annals NYAS 357 (1980).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cuda


@cuda.jit
def mandelbrot(left, top, step, limit, counts):
    """Count, for one point a thread, the steps of z -> z^2 + c that stay within |z| < 2.

    Args:
        left: Real part of column 0.
        top: Imaginary part of row 0.
        step: Distance between neighbouring points; rows go downwards.
        limit: Steps after which a point counts as inside.
        counts: Shape (rows, columns) int32; written.
    """
    column, row = cuda.grid(2)
    if row < counts.shape[0] and column < counts.shape[1]:
        cx = left + column * step
        cy = top - row * step
        x = 0.0
        y = 0.0
        count = 0
        while count < limit and x * x + y * y < 4.0:
            x, y = x * x - y * y + cx, 2.0 * x * y + cy
            count += 1
        counts[row, column] = count


def reference(
    left: float, top: float, step: float, limit: int, counts: npt.NDArray[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Compute `counts` with NumPy's complex numbers, all points at once; of `counts` only the shape is read."""
    rows, columns = counts.shape
    c = (left + np.arange(columns) * step)[None, :] + 1j * (top - np.arange(rows) * step)[:, None]
    z, found = np.zeros_like(c), np.zeros(counts.shape, np.int32)
    inside = np.ones(counts.shape, bool)
    for _ in range(limit):
        found[inside] += 1
        z[inside] = z[inside] ** 2 + c[inside]
        inside &= z.real**2 + z.imag**2 < 4.0
    return {"counts": found}


def example(side: int = 512) -> dict[str, Any]:
    """Look at the seahorse valley, `side` by `side` points."""
    counts = np.zeros((side, side), np.int32)
    return {
        "left": -0.79,
        "top": 0.19,
        "step": 0.08 / side,
        "limit": 200,
        "counts": counts,
        "over": (side, side),
        "block": (16, 16),
    }
