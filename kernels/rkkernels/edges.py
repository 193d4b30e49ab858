"""Edges of an image: a shared tile with a rim, filled together, a barrier, then a stencil on it.

Source: Sobel and Feldman, "A 3x3 Isotropic Gradient Operator for Image Processing" (1968); tiles with a rim as in
Podlozhnyuk, "Image Convolution with CUDA" (NVIDIA, 2007).
"""

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import cuda

from rkkernels.data import camera

TILE = 16
RIM = TILE + 2


@cuda.jit
def sobel(image, strength):
    """Write the length of the gradient, one pixel a thread, in blocks of 16 by 16 threads.

    Beyond the edges the nearest pixel stands.

    Args:
        image: Shape (rows, columns), uint8 or floating.
        strength: Shape (rows, columns) float32; written: grey levels a pixel, times 8.
    """
    tile = cuda.shared.array((RIM, RIM), numba.float32)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    rows, columns = image.shape
    for spot in range(ty * TILE + tx, RIM * RIM, TILE * TILE):
        y = cuda.blockIdx.y * TILE + spot // RIM - 1
        x = cuda.blockIdx.x * TILE + spot % RIM - 1
        tile[spot // RIM, spot % RIM] = image[min(max(y, 0), rows - 1), min(max(x, 0), columns - 1)]
    cuda.syncthreads()
    column, row = cuda.grid(2)
    if row < rows and column < columns:
        west = tile[ty, tx] + 2 * tile[ty + 1, tx] + tile[ty + 2, tx]
        east = tile[ty, tx + 2] + 2 * tile[ty + 1, tx + 2] + tile[ty + 2, tx + 2]
        north = tile[ty, tx] + 2 * tile[ty, tx + 1] + tile[ty, tx + 2]
        south = tile[ty + 2, tx] + 2 * tile[ty + 2, tx + 1] + tile[ty + 2, tx + 2]
        across = east - west
        down = south - north
        strength[row, column] = math.sqrt(across * across + down * down)


def reference(image: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Compute `strength` with NumPy: smooth one way, take differences the other way, in float64."""
    wide = np.pad(image.astype(np.float64), 1, mode="edge")
    smooth_down = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    smooth_across = wide[:, :-2] + 2 * wide[:, 1:-1] + wide[:, 2:]
    return {"strength": np.hypot(smooth_down[:, 2:] - smooth_down[:, :-2], smooth_across[2:] - smooth_across[:-2])}


def example() -> dict[str, Any]:
    """Find the edges of the photograph."""
    image = camera()
    return {
        "image": image,
        "strength": np.zeros(image.shape, np.float32),
        "over": (image.shape[1], image.shape[0]),
        "block": (TILE, TILE),
    }
