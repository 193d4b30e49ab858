"""Rows of a thread's own, and searches: left to one thread after the other where the processor gathers slowly."""

import math

import numba
import numpy as np
import pytest
from numba import cuda, float32
from simt_launching import run

from rkruntime import simt
from rkruntime.simt._numba import types
from rkruntime.simt._own_rows import goes_along_own_rows, searches_by_reading
from rkruntime.simt._registers import _is_slow, gathers_slowly

pytestmark = pytest.mark.usefixtures("untraced")


@cuda.jit
def dots(x, y, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        total = float32(0)
        for k in range(x.shape[1]):
            total += x[i, k] * y[i, k]
        out[i, 0] = total


@cuda.jit
def prefixes(x, y, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        total = float32(0)
        for k in range(x.shape[1]):
            total += x[i, k]
            out[i, k] = total


@cuda.jit
def pairs(x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        total = float32(0)
        for k in range(2):
            total += x[2 * i + k]
        out[i] = total


@cuda.jit
def polynomials(x, y, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        total = float32(0)
        for k in range(x.shape[1]):
            total = math.sqrt(total * total + x[i, k] * 2) + total / (1 + x[i, k])
        out[i, 0] = total


@cuda.jit
def exponentials(x, y, out):
    i = cuda.grid(1)
    if i < x.shape[0]:
        for k in range(x.shape[1]):
            out[i, k] = math.exp(x[i, k])


@cuda.jit
def columns(x, y, out):
    i = cuda.grid(1)
    if i < x.shape[1]:
        total = float32(0)
        for k in range(x.shape[0]):
            total += x[k, i]
        out[0, i] = total


@cuda.jit
def wherever(x, y, out):
    for i in range(cuda.grid(1), x.shape[0], cuda.gridsize(1)):
        row = int(y[i, 0] * 4)
        out[i, 0] = x[row, 0] + x[row, 1]


@pytest.mark.parametrize(
    ("kernel", "dtype", "slowly", "vector_math", "is_left"),
    [
        (dots, "f4", True, True, True),
        (dots, "f4", False, True, False),
        (dots, "u1", True, True, False),
        (prefixes, "f4", True, True, True),
        (prefixes, "f4", False, True, True),
        (pairs, "f4", True, True, True),
        (polynomials, "f4", True, True, False),
        (exponentials, "f4", True, True, False),
        (exponentials, "f4", True, False, True),
        (columns, "f4", True, True, False),
        (wherever, "f4", True, True, False),
    ],
)
def test_own_rows_of_which_little_is_computed_are_left_to_loops(kernel, dtype, slowly, vector_math, is_left):
    program, array = simt.Kernel(kernel).program, types.Array(numba.from_dtype(np.dtype(dtype)), 2, "C")
    where = goes_along_own_rows(program, [array] * 3, gathers_slowly=slowly, vector_math=vector_math)
    assert (where is not None) == is_left


@pytest.mark.parametrize("kernel", [dots, prefixes, polynomials, exponentials, columns, wherever])
def test_own_rows_come_out_the_same_on_lanes_and_as_chosen(kernel):
    x, y = np.random.default_rng(0).random((2, 70, 70), dtype=np.float32)
    run(kernel, 3, 32, x, y, wanted := np.zeros_like(x), lowering="loop")
    for lowering in ("lanes", None):
        run(kernel, 3, 32, x, y, out := np.zeros_like(x), lowering=lowering)
        np.testing.assert_allclose(out, wanted, rtol=1e-5)


@cuda.jit
def lengths(text, starts, out):
    i = cuda.grid(1)
    if i < out.size:
        at = starts[i]
        while at < text.size and text[at] != 7:
            at += 1
        out[i] = at - starts[i]


@cuda.jit
def first_of_row(text, starts, out):
    i = cuda.grid(1)
    if i < out.size:
        found = -1
        for k in range(20):
            character = text[i * 4 + k]
            if character == 7:
                found = k
                break
        out[i] = found


@cuda.jit
def apart(text, starts, out):
    i = cuda.grid(1)
    if i < out.size:
        count = 0
        while count < 9:
            if text[(starts[i] & 255) + count] == 7:
                break
            count += 1
        out[i] = count


@cuda.jit
def chains(text, starts, out):
    i = cuda.grid(1)
    if i < out.size:
        at, count = starts[i], 0
        while at > 0:
            at = text[at] - 1
            count += 1
        out[i] = count


@cuda.jit
def bisect(text, starts, out):
    i = cuda.grid(1)
    if i < out.size:
        low, high = 0, text.size
        while low < high:
            middle = (low + high) // 2
            if text[middle] < starts[i]:
                low = middle + 1
            else:
                high = middle
        out[i] = low


@cuda.jit
def roots(text, starts, out):
    i = cuda.grid(1)
    if i < out.size:
        at = starts[i]
        while at < text.size and math.sqrt(text[at] * 2.0) < 3:
            at += 1
        out[i] = at


@pytest.mark.parametrize(
    ("kernel", "is_left"),
    [(lengths, True), (first_of_row, True), (apart, True), (chains, False), (bisect, False), (roots, False)],
)
def test_searches_by_reading_are_left_to_loops_where_gathers_are_slow(kernel, is_left):
    text = np.random.default_rng(0).integers(0, 10, 300)
    starts = np.random.default_rng(1).integers(0, 300, 60)
    text[:12] = 0  # where chains end
    if kernel is chains:
        text = np.maximum(np.arange(300) // 2, 0)
    assert (searches_by_reading(simt.Kernel(kernel).program, vector_math=True) is not None) == is_left
    run(kernel, 2, 32, text, starts, wanted := np.zeros(60, np.int64), lowering="loop")
    for lowering in ("lanes", None):
        run(kernel, 2, 32, text, starts, out := np.zeros(60, np.int64), lowering=lowering)
        np.testing.assert_array_equal(out, wanted)
    special = simt.Kernel(kernel).specialize((text, starts, out))
    assert special.lowering == "loop" or not (is_left and gathers_slowly())


@pytest.mark.parametrize(
    ("name", "slowly"),
    [("znver4", True), ("bdver2", True), ("skylake-avx512", False), ("generic", False), ("apple-m1", False)],
)
def test_amd_s_processors_gather_slowly(name, slowly):
    assert _is_slow(name) == slowly
