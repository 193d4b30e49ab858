"""Floor division and its remainder on lanes: against NumPy and Python, and bit for bit as a loop over the threads."""

import itertools
import math

import numpy as np
import pytest
from numba import cuda
from simt_launching import run

from rkruntime.errors import KernelFault

WIDTHS = [4, 16, 64]


@cuda.jit
def divided(x, y, quotients, remainders, quotients_of_both, remainders_of_both):
    i = cuda.grid(1)
    if i < x.size:
        quotients[i], remainders[i] = x[i] // y[i], x[i] % y[i]
        quotients_of_both[i], remainders_of_both[i] = divmod(x[i], y[i])


@cuda.jit
def divided_by_some(x, y, out):
    i = cuda.grid(1)
    if i < x.size and y[i] != 0:
        out[i] = x[i] // y[i]
        if x[i] > 0:
            out[i] += x[i] % y[i]


@cuda.jit
def divided_by_three(x, out):
    i = cuda.grid(1)
    out[i] = x[i] // 3 + x[i] % np.float32(-0.75)


def pairs_of(values):
    return (np.array(side) for side in zip(*itertools.product(values, repeat=2), strict=True))


def outputs_of(x, y, dtype, **how):
    outs = [np.zeros(x.size, dtype) for _ in range(4)]
    run(divided, -(-x.size // 64), 64, x, y, *outs, **how)
    return outs


def assert_same_bits(got, wanted):
    """Signs of zeros count, and of what is no number nothing."""
    nan = np.isnan(wanted)
    np.testing.assert_array_equal(np.isnan(got), nan)
    words = f"u{got.dtype.itemsize}"
    np.testing.assert_array_equal(got[~nan].view(words), wanted[~nan].view(words))


def special_reals(dtype):
    about = np.finfo(dtype)
    some = [0, 1, 0.5, 0.1, 3, 7, 9, 1 / 3, 100.25, 2.0 ** (about.nmant + 1), 1e15, math.pi * 1e5, math.inf, math.nan]
    some += [about.max, about.tiny, about.smallest_subnormal, about.tiny * 0.75, 1 + about.eps, 1 - about.epsneg]
    found = np.array([sign * one for one in some for sign in (1.0, -1.0)], dtype)
    return np.concatenate([found, np.random.default_rng(1).normal(size=8).astype(dtype)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("width", WIDTHS)
def test_real_numbers_are_divided_as_numpy_and_one_thread_do(dtype, width):
    x, y = (side.astype(dtype) for side in pairs_of(special_reals(dtype)))
    outs = outputs_of(x, y, dtype, lowering="lanes", width=width)
    with np.errstate(all="ignore"):
        wanted = np.divmod(x, y)
        wanted[0][y == 0] = (x / y)[y == 0]
    for got, reference, one_thread in zip(outs, wanted * 2, outputs_of(x, y, dtype, lowering="loop"), strict=True):
        assert_same_bits(got, reference)
        assert_same_bits(got, one_thread)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_quotients_of_every_size_are_divided_as_numpy_does(dtype):
    random, count = np.random.default_rng(2), 20_000
    about = np.finfo(dtype)
    scales = 2.0 ** random.integers(-about.nmant - 4, about.nmant + 4, count)
    y = (random.choice([1, -1], count) * (1 + random.random(count))).astype(dtype).astype(float)
    near = np.rint(random.random(count) * 2.0 ** random.integers(0, about.nmant, count)) * y  # whole, or next to it
    x = np.where(random.random(count) < 0.5, near, random.normal(size=count) * scales).astype(dtype)
    y = y.astype(dtype)
    outs = outputs_of(x, y, dtype, lowering="lanes")
    for got, wanted in zip(outs, np.divmod(x, y) * 2, strict=True):
        assert_same_bits(got, wanted)


def whole_numbers(dtype):
    about = np.iinfo(dtype)
    some = {0, 1, 2, 3, 7, 10, 127, about.max, about.max - 1, about.max // 2, about.max // 3, about.min, about.min + 1}
    some |= {2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**50 - 1, 2**50, 2**53 + 1, 10**12 + 39}
    some |= {-one for one in some}
    return [one for one in sorted(some) if about.min <= one <= about.max]


def python_divmod(x, y):
    """Python's; numba leaves the one quotient that does not fit, and its remainder, at 0."""
    return (0, 0) if (x, y) == (-(2**63), -1) else divmod(x, y)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64])
@pytest.mark.parametrize("width", WIDTHS)
def test_whole_numbers_are_divided_as_python_does(dtype, width):
    pairs = [(x, y) for x, y in itertools.product(whole_numbers(dtype), repeat=2) if y]
    x, y = (np.array(side, dtype) for side in zip(*pairs, strict=True))
    kept = np.uint64 if np.dtype(dtype).kind == "u" else np.int64
    wanted = [np.array(side, kept) for side in zip(*(python_divmod(*pair) for pair in pairs), strict=True)]
    for got, reference in zip(outputs_of(x, y, kept, lowering="lanes", width=width), wanted * 2, strict=True):
        np.testing.assert_array_equal(got, reference)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float32, np.float64])
def test_threads_that_are_elsewhere_divide_nothing(dtype):
    x, y = np.arange(-40, 60).astype(dtype), np.arange(100).astype(dtype) % 7
    out = np.full(100, -5, dtype)
    run(divided_by_some, 2, 64, x, y, out, lowering="lanes")
    with np.errstate(all="ignore"):
        quotients, rests = np.divmod(x, np.where(y == 0, 1, y))
    np.testing.assert_array_equal(out, np.where(y == 0, -5, quotients + np.where(x > 0, rests, 0)))


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_dividing_whole_numbers_by_zero_is_a_fault_of_the_thread_that_does(dtype):
    x, y = np.full(64, 5, dtype), np.where(np.arange(64) == 37, 0, 3).astype(dtype)
    with pytest.raises(KernelFault) as raised:
        outputs_of(x, y, np.int64, lowering="lanes")
    assert raised.value.thread == (37, 0, 0)
    assert "division by zero" in raised.value.what


def test_numbers_of_no_array_divide_too():
    x, out = np.linspace(-9, 9, 64).astype(np.float32), np.zeros(64)
    run(divided_by_three, 1, 64, x, out, lowering="lanes")
    np.testing.assert_array_equal(out, x.astype(float) // 3 + x % np.float32(-0.75))
