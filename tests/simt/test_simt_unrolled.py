"""Loops of few turns over short whole numbers, or that choose: left to LLVM, which makes vectors of those itself."""

import math

import numpy as np
import pytest
from numba import cuda
from scipy import ndimage

from rkruntime import simt
from rkruntime.simt._registers import gathers_slowly

pytestmark = pytest.mark.usefixtures("untraced")

RADIUS = 1


@cuda.jit
def box(x, out):
    j, i = cuda.grid(2)
    if 0 < i < x.shape[0] - 1 and 0 < j < x.shape[1] - 1:
        total = 0
        for a in range(-RADIUS, RADIUS + 1):
            for b in range(-1, 2):
                total += x[i + a, j + b]
        out[i, j] = total // 9


@cuda.jit
def long_box(x, out):
    j, i = cuda.grid(2)
    if 4 < i < x.shape[0] - 5 and 4 < j < x.shape[1] - 5:
        total = 0
        for a in range(-5, 6):
            for b in range(-5, 6):
                total += x[i + a, j + b]
        out[i, j] = total // 121


@cuda.jit
def box_of_any_size(x, out):
    j, i = cuda.grid(2)
    if i < x.shape[0] and 0 < j < x.shape[1] - 1:
        total = 0
        for b in range(x.ndim + 1):
            total += x[i, j + b - 1]
        out[i, j] = total // 3


@cuda.jit
def darker_than_around(x, out):
    j, i = cuda.grid(2)
    if 0 < i < x.shape[0] - 1 and 0 < j < x.shape[1] - 1:
        total = 0
        for a in range(-1, 2):
            for b in range(-1, 2):
                total += x[i + a, j + b]
        out[i, j] = 100 if x[i, j] * 9 < total else 0


@cuda.jit
def life(x, out):
    j, i = cuda.grid(2)
    if 0 < i < x.shape[0] - 1 and 0 < j < x.shape[1] - 1:
        around = 0
        for a in range(-1, 2):
            for b in range(-1, 2):
                around += x[i + a, j + b]
        out[i, j] = 1 if around == 3 or (around == 4 and x[i, j]) else 0


@cuda.jit
def where_sums_are_large(x, out):
    j, i = cuda.grid(2)
    if i < x.shape[0] and 0 < j < x.shape[1] - 1:
        total = 0
        for b in range(-1, 2):
            total += x[i, j + b]
        mean = total // 3
        if mean > 50:
            out[i, j] = mean


@cuda.jit
def until_one_is_large(x, out):
    j, i = cuda.grid(2)
    if i < x.shape[0] and j < x.shape[1] - 8:
        for b in range(8):
            if x[i, j + b] > 90:
                break
            out[i, j] += 1


@cuda.jit
def least_label(x, out):
    j, i = cuda.grid(2)
    if i < x.shape[0] and j < x.shape[1]:
        least = x[i, j]
        for a in range(-1, 2):
            for b in range(-1, 2):
                y, z = i + a, j + b
                if 0 <= y < x.shape[0] and 0 <= z < x.shape[1]:
                    label = x[y, z]
                    if 0 < label < least:
                        least = label
        out[i, j] = least


@cuda.jit
def least_exponential(x, out):
    j, i = cuda.grid(2)
    if i < x.shape[0] and 0 < j < x.shape[1] - 1:
        least = x[i, j]
        for b in range(-1, 2):
            power = math.exp(-x[i, j + b])
            if power < least:
                least = power
        out[i, j] = least


@pytest.mark.parametrize(
    ("kernel", "dtype", "lowering"),
    [
        (box, "u1", "loop"),
        (box, "i1", "loop"),
        (box, "i2", "loop"),
        (box, "u2", "loop"),
        (box, "?", "loop"),
        (box, "i4", "lanes"),
        (box, "f4", "lanes"),
        (darker_than_around, "u1", "loop"),
        (least_label, "u1", "loop"),
        (least_label, "i4", "loop"),
        (least_label, "f4", "loop"),
        (least_exponential, "f4", "lanes"),  # one thread after the other calls the function
        (long_box, "u1", "lanes"),  # more turns than are unrolled
        (box_of_any_size, "u1", "lanes"),  # it is not known how many
        (life, "u1", "lanes"),
        (where_sums_are_large, "u1", "lanes"),
        (until_one_is_large, "u1", "loop" if gathers_slowly() else "lanes"),  # a search by reading
    ],
)
def test_which_kernels_are_left_to_llvm(kernel, dtype, lowering):
    x = np.random.default_rng(0).integers(0, 2 if kernel is life else 100, (40, 50)).astype(dtype)
    outs = [np.zeros_like(x) for _ in range(3)]
    for out, how in zip(outs, (None, "loop", "lanes"), strict=True):
        special = simt.Kernel(kernel, lowering=how).specialize((x, out))
        simt.run(special, (4, 3), (16, 16), (x, out))
        if how is None:
            assert special.lowering == lowering
            assert ("LLVM unrolls" in special.explain()) == (lowering == "loop" and kernel is not until_one_is_large)
    rtol = 1e-6 if kernel is least_exponential else 0  # lanes may call another library's
    np.testing.assert_allclose(outs[0], outs[1], rtol=rtol)
    np.testing.assert_allclose(outs[0], outs[2], rtol=rtol)
    assert outs[0].any()


def test_sums_of_bytes_do_not_wrap_around():
    x = np.random.default_rng(0).integers(200, 256, (40, 50)).astype(np.uint8)
    out = np.zeros_like(x)
    simt.run(simt.Kernel(box).specialize((x, out)), (4, 3), (16, 16), (x, out))
    wanted = ndimage.convolve(x.astype(np.int64), np.ones((3, 3), np.int64))[1:-1, 1:-1] // 9
    np.testing.assert_array_equal(out[1:-1, 1:-1], wanted)
