"""Prices of European options: little memory, much arithmetic.

Source: Black and Scholes, "The Pricing of Options and Corporate Liabilities", Journal of Political Economy 81 (1973).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import cuda


@cuda.jit(device=True)
def normal_below(x):
    """Return the probability that a standard normal variable lies below `x`."""
    return 0.5 * math.erfc(-x * math.sqrt(0.5))


@cuda.jit
def black_scholes(spot, strike, years, rate, volatility, call, put):
    """Price one call and one put a thread.

    Args:
        spot: Price of the share today, shape (n,) floating.
        strike: Price agreed on, shape (n,).
        years: Time to expiry in years, above 0, shape (n,).
        rate: Riskless interest a year, continuously compounded, a number.
        volatility: Standard deviation of the yearly log return, a number above 0.
        call: Price of the right to buy, shape (n,); written.
        put: Price of the right to sell, shape (n,); written.
    """
    i = cuda.grid(1)
    if i < spot.size:
        spread = volatility * math.sqrt(years[i])
        d1 = (math.log(spot[i] / strike[i]) + (rate + 0.5 * volatility * volatility) * years[i]) / spread
        d2 = d1 - spread
        owed = strike[i] * math.exp(-rate * years[i])
        call[i] = spot[i] * normal_below(d1) - owed * normal_below(d2)
        put[i] = owed * normal_below(-d2) - spot[i] * normal_below(-d1)


def reference(
    spot: npt.NDArray[Any], strike: npt.NDArray[Any], years: npt.NDArray[Any], rate: float, volatility: float
) -> dict[str, npt.NDArray[Any]]:
    """Compute the call from the formula, and the put from put-call parity."""
    below = np.vectorize(lambda x: 0.5 + 0.5 * math.erf(x / math.sqrt(2.0)), otypes=[np.float64])
    forward = spot * np.exp(rate * years)
    spread = volatility * np.sqrt(years)
    d1 = np.log(forward / strike) / spread + spread / 2
    call = np.exp(-rate * years) * (forward * below(d1) - strike * below(d1 - spread))
    return {"call": call, "put": call - spot + strike * np.exp(-rate * years)}


def example(n: int = 100_000) -> dict[str, Any]:
    """Make `n` options on shares between 5 and 30, to be had at 1 to 100 within a quarter to ten years."""
    random = np.random.default_rng(2)
    return {
        "spot": random.uniform(5.0, 30.0, n),
        "strike": random.uniform(1.0, 100.0, n),
        "years": random.uniform(0.25, 10.0, n),
        "rate": 0.02,
        "volatility": 0.30,
        "call": np.zeros(n),
        "put": np.zeros(n),
        "over": n,
        "block": 128,
    }
