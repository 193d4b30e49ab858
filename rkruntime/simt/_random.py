"""Random numbers of numba.cuda.random, of a generator whose state is in an array of the thread's own.

The generator is xoroshiro128+ with the shifts of its first version, 55, 14 and 36 (Blackman and Vigna, "Scrambled
Linear Pseudorandom Number Generators", 2018). Uniform numbers are its upper 53 bits; normal ones are by Box and Muller,
from two uniform float32 whatever they are themselves, as numba-cuda has it. The numbers are the same, bit by bit.
"""

# numba types little of what it compiles:
# mypy: disable-error-code="untyped-decorator,no-untyped-def,no-any-return,unused-ignore"

from __future__ import annotations

import math

import numpy as np

from rkruntime.simt._numba import njit

__all__ = ("USED", "WORDS", "next_bits", "normal_float32", "normal_float64", "uniform_float32", "uniform_float64")

WORDS = 3  # the two of the state, and whether a number was drawn
USED = 2
UNIT = 2.0**-53
TWO_PI_32 = np.float32(2 * math.pi)
TWO_PI_64 = 2 * math.pi


@njit
def next_bits(held):
    """Return 64 random bits, and step on."""
    first, second = held[0], held[1]
    mixed = first ^ second
    held[0] = ((first << np.uint64(55)) | (first >> np.uint64(9))) ^ mixed ^ (mixed << np.uint64(14))
    held[1] = (mixed << np.uint64(36)) | (mixed >> np.uint64(28))
    held[2] = np.uint64(1)
    return first + second


@njit
def uniform_float64(held):
    """Return a float64 from 0 up to but not including 1."""
    return np.int64(next_bits(held) >> np.uint64(11)) * UNIT


@njit
def uniform_float32(held):
    """Return a float32 from 0 to 1, to which the largest float64 are rounded."""
    return np.float32(uniform_float64(held))


@njit
def normal_float32(held):
    """Return a float32 of the normal distribution."""
    radius = math.sqrt(np.float32(-2) * math.log(uniform_float32(held)))
    return radius * math.cos(TWO_PI_32 * uniform_float32(held))


@njit
def normal_float64(held):
    """Return a float64 of the normal distribution."""
    radius = math.sqrt(-2.0 * math.log(uniform_float32(held)))
    return radius * math.cos(TWO_PI_64 * uniform_float32(held))
