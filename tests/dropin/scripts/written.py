"""Kernels and device functions that a program writes as text and executes."""

from __future__ import annotations

import numpy as np
from numba import cuda

KERNEL = """
import math

@cuda.jit
def kernel(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = changed(x[i]){more}
"""
CHANGED = "def changed(x):\n    return x {operator} 3\n"
FACTORY = """
def factory(by):
    @cuda.jit
    def kernel(x, out):
        i = cuda.grid(1)
        out[i] = by * x[i]
    return kernel
"""


def made(operator: str, more: str) -> object:
    """Make a kernel of text, and the device function that it calls."""
    scope = {"cuda": cuda}
    exec(CHANGED.format(operator=operator), scope)
    scope["changed"] = cuda.jit(device=True)(scope["changed"])
    exec(KERNEL.format(more=more), scope)
    return scope["kernel"]


def check(kernel: object, wanted: np.ndarray) -> None:
    """Launch a kernel on 0 to 7."""
    out = np.zeros(8)
    kernel[2, 4](np.arange(8.0), out)
    np.testing.assert_array_equal(out, wanted)


if __name__ == "__main__":
    x = np.arange(8.0)
    first, second = made("*", ""), made("+", " + math.floor(x[i] / 2)")  # both are called the same
    check(first, x * 3)
    check(second, x + 3 + x // 2)
    scope = {"cuda": cuda}
    exec(compile(FACTORY, "<made by the test>", "exec"), scope)
    check(scope["factory"](5), 5 * x)
    check(scope["factory"](7), 7 * x)
    print("ok")
