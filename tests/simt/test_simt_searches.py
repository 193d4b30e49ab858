"""Searches by dividing: left to one thread after the other, as most end before the last of a vector."""

import math

import numpy as np
import pytest
from numba import cuda

from rkruntime import simt

pytestmark = pytest.mark.usefixtures("untraced")


@cuda.jit
def least_divisor(x, out):
    i = cuda.grid(1)
    if i < out.size:
        n, divisor = x[i], 2
        while divisor * divisor <= n:
            if n % divisor == 0:
                break
            divisor += 1
        out[i] = divisor if divisor * divisor <= n else n


@cuda.jit
def sum_of_digits(x, out):
    i = cuda.grid(1)
    if i < out.size:
        n, total = x[i], 0
        while n > 0:
            if n % 10 > 0:
                total += n % 10
            n //= 10
        out[i] = total


def by_hand(n):
    return next((d for d in range(2, math.isqrt(n) + 1) if n % d == 0), n)


@pytest.mark.parametrize(
    ("kernel", "lowering", "wanted"),
    [(least_divisor, "loop", by_hand), (sum_of_digits, "lanes", lambda n: sum(map(int, str(n))))],
)
def test_loops_are_left_early_by_a_division(kernel, lowering, wanted):
    x = np.arange(2, 402, dtype=np.int32)
    out = np.zeros_like(x)
    special = simt.Kernel(kernel).specialize((x, out))
    assert ("searches by dividing" in special.explain()) == (lowering == "loop")
    simt.run(special, 2, 256, (x, out))
    np.testing.assert_array_equal(out, [wanted(int(n)) for n in x])
