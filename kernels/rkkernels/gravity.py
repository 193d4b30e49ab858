"""Gravity between all pairs of bodies: each block walks through all bodies, a tile at a time in shared memory.

Source: Nyland, Harris and Prins, "Fast N-Body Simulation with CUDA", GPU Gems 3, chapter 31.
"""

import math
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import cuda


@cuda.jit
def attract(places, masses, softening, pulls):
    """Write the acceleration of one body a thread, with the constant of gravity as 1.

    Shared memory is dynamic: launch with 32 bytes a thread of the block.

    Args:
        places: Shape (n, 3) float64.
        masses: Shape (n,) float64.
        softening: Length below which the pull is weakened, so that bodies that meet do not fly apart.
        pulls: Accelerations, shape (n, 3) float64; written.
    """
    tile = cuda.shared.array(0, numba.float64)
    i = cuda.grid(1)
    thread = cuda.threadIdx.x
    width = cuda.blockDim.x
    me = min(i, masses.size - 1)
    x, y, z = places[me, 0], places[me, 1], places[me, 2]
    ax = 0.0
    ay = 0.0
    az = 0.0
    for first in range(0, masses.size, width):
        other = first + thread
        if other < masses.size:
            tile[4 * thread] = places[other, 0]
            tile[4 * thread + 1] = places[other, 1]
            tile[4 * thread + 2] = places[other, 2]
            tile[4 * thread + 3] = masses[other]
        cuda.syncthreads()
        for k in range(min(width, masses.size - first)):
            dx = tile[4 * k] - x
            dy = tile[4 * k + 1] - y
            dz = tile[4 * k + 2] - z
            square = dx * dx + dy * dy + dz * dz + softening * softening
            pull = tile[4 * k + 3] / (square * math.sqrt(square))
            ax += pull * dx
            ay += pull * dy
            az += pull * dz
        cuda.syncthreads()
    if i < masses.size:
        pulls[i, 0] = ax
        pulls[i, 1] = ay
        pulls[i, 2] = az


def reference(places: npt.NDArray[Any], masses: npt.NDArray[Any], softening: float) -> dict[str, npt.NDArray[Any]]:
    """Compute `pulls` with NumPy, from the matrix of all differences."""
    away = places[None, :, :] - places[:, None, :]
    square = np.einsum("ijk,ijk->ij", away, away) + softening**2
    return {"pulls": np.einsum("ij,ijk->ik", masses / square**1.5, away)}


def example(n: int = 1000, block: int = 128) -> dict[str, Any]:
    """Make a Plummer sphere of `n` equal bodies: a star cluster in balance, of mass 1 and scale 1."""
    random = np.random.default_rng(9)
    radius = 1.0 / np.sqrt(random.uniform(0.02, 0.98, n) ** (-2.0 / 3.0) - 1.0)
    toward = random.standard_normal((n, 3))
    places = radius[:, None] * toward / np.linalg.norm(toward, axis=1)[:, None]
    return {
        "places": places,
        "masses": np.full(n, 1.0 / n),
        "softening": 0.05,
        "pulls": np.zeros((n, 3)),
        "over": n,
        "block": block,
        "shared": 32 * block,
    }
