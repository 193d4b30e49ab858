"""Bitonic sort: the same compare-and-swap at every element, with a partner that changes from launch to launch.

Source: Batcher, "Sorting Networks and Their Applications", AFIPS 32 (1968); CUDA samples, `sortingNetworks`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cuda


@cuda.jit
def bitonic_step(values, distance, width):
    """Compare and swap every pair that is `distance` apart; `steps` gives the order of the launches.

    Args:
        values: Shape (n,) of any ordered type, n a power of two; changed in place.
        distance: How far apart a pair is, a power of two.
        width: Length of the runs being made, a power of two; every second run is sorted downwards.
    """
    i = cuda.grid(1)
    partner = i ^ distance
    if i < partner and partner < values.size:
        upwards = (i & width) == 0
        if (values[i] > values[partner]) == upwards:
            values[i], values[partner] = values[partner], values[i]


def steps(n: int) -> Iterator[tuple[int, int]]:
    """Give `distance` and `width` of each launch that sorts `n` values."""
    width = 2
    while width <= n:
        distance = width // 2
        while distance > 0:
            yield distance, width
            distance //= 2
        width *= 2


def reference(values: npt.NDArray[Any], distance: int, width: int) -> dict[str, npt.NDArray[Any]]:
    """Compute one step with NumPy: sort the pairs, and turn every second run round."""
    pairs = np.sort(values.reshape(-1, 2, distance), axis=1)
    down = ((np.arange(values.size) & width) != 0).reshape(pairs.shape)
    return {"values": np.where(down, pairs[:, ::-1], pairs).ravel()}


def example(n: int = 2**16) -> dict[str, Any]:
    """Make `n` random float32 for the first step of the last run."""
    values = np.random.default_rng(8).random(n, dtype=np.float32)
    return {"values": values, "distance": n // 2, "width": n, "over": n, "block": 256}
