"""The Lomb-Scargle periodogram: how strong each frequency is in samples that need not be evenly spaced.

Source: Scargle, "Studies in Astronomical Time Series Analysis II", Astrophysical Journal 263 (1982); normalised as in
VanderPlas, "Understanding the Lomb-Scargle Periodogram", ApJS 236 (2018).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cuda

from rkkernels.data import sunspots


@cuda.jit
def lomb_scargle(times, values, frequencies, power):
    """Write the power at one frequency a thread.

    Args:
        times: When each sample was taken, shape (n,) float64.
        values: The samples less their mean, shape (n,) float64.
        frequencies: Cycles a unit of time, above 0, shape (m,) float64.
        power: Shape (m,) float64; written: the part of the variance that one sine explains, from 0 to 1.
    """
    i = cuda.grid(1)
    if i < power.size:
        omega = 2.0 * math.pi * frequencies[i]
        sin_2 = 0.0
        cos_2 = 0.0
        for k in range(times.size):
            sin_2 += math.sin(2.0 * omega * times[k])
            cos_2 += math.cos(2.0 * omega * times[k])
        shift = math.atan2(sin_2, cos_2) / 2.0
        with_sin = 0.0
        with_cos = 0.0
        sin_square = 0.0
        square = 0.0
        for k in range(times.size):
            s = math.sin(omega * times[k] - shift)
            c = math.cos(omega * times[k] - shift)
            with_sin += values[k] * s
            with_cos += values[k] * c
            sin_square += s * s
            square += values[k] * values[k]
        power[i] = (with_cos * with_cos / (times.size - sin_square) + with_sin * with_sin / sin_square) / square


def reference(
    times: npt.NDArray[Any], values: npt.NDArray[Any], frequencies: npt.NDArray[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Compute `power` with NumPy as what it stands for: the fit of a sine and a cosine by least squares."""
    power = np.zeros(frequencies.size)
    for i, frequency in enumerate(frequencies):
        angle = 2.0 * np.pi * frequency * times
        waves = np.stack([np.sin(angle), np.cos(angle)])
        share = waves @ values
        power[i] = share @ np.linalg.solve(waves @ waves.T, share) / (values @ values)
    return {"power": power}


def example(m: int = 2000) -> dict[str, Any]:
    """Look for periods between 2 and 100 years in 260 years of sunspots, at `m` frequencies."""
    times, counts = sunspots()
    return {
        "times": times - times.mean(),
        "values": counts - counts.mean(),
        "frequencies": np.linspace(0.01, 0.5, m),
        "power": np.zeros(m),
        "over": m,
        "block": 64,
    }
