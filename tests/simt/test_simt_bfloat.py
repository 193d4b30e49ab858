"""bfloat16: numba's CPU target has none, so its arithmetic and conversions are held to ml_dtypes', bit for bit."""

import math
from fractions import Fraction

import numpy as np
import pytest
from numba import cuda, float32
from numba.cuda import bf16
from simt_launching import blocks_for, run

pytestmark = pytest.mark.usefixtures("untraced")

ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes has the bfloat16 of NumPy that ours is held to")
BFLOAT = np.dtype(ml_dtypes.bfloat16)


def bits_of(array):
    """Return the bits of bfloat16 numbers, with one NaN for all."""
    array = np.asarray(array).astype(BFLOAT)
    return np.where(np.isnan(array.astype(np.float32)), 0x7FFF, array.view(np.uint16))


@cuda.jit(device=True)
def plus(a, b):
    return a + b


@cuda.jit
def arithmetic(x, y, doubles, whole, out, single):
    t = cuda.grid(1)
    if t < x.size:
        a, b = x[t], y[t]
        out[t, 0] = plus(a, b)
        out[t, 1] = a - b
        out[t, 2] = a * b
        out[t, 3] = a / b if b != bf16.bfloat16(0) else bf16.bfloat16(7)
        out[t, 4] = -a
        out[t, 5] = (a + b) + a
        out[t, 6] = doubles[t]
        out[t, 7] = whole[t]
        out[t, 8] = math.sqrt(b) if b > bf16.bfloat16(0.0) else +b
        out[t, 9] = 1 if a < b else 0
        out[t, 10] = math.floor(a)
        a += b
        out[t, 11] = a
        single[t] = b


@pytest.fixture(scope="module")
def samples():
    random = np.random.default_rng(1)
    x = np.arange(65536).astype(np.uint16).view(BFLOAT)[::17].copy()
    halfway = [
        1 + 2.0**-8,
        1 + 2.0**-8 + 2.0**-40,
        1 + 3 * 2.0**-8,
        3.4e38,
        1e39,
        -1e300,
        2.0**-134,
        2.0**-134 * 1.0000001,
    ]
    doubles = np.concatenate(
        [random.standard_normal(x.size - 8) * 10.0 ** random.integers(-40, 40, x.size - 8), halfway]
    )
    whole = random.integers(-(2**63), 2**63, x.size) >> random.integers(0, 63, x.size)
    whole[:2] = 2**62 + 2**54 + 1, -(2**62) - 2**54 - 1  # a double holds neither, and makes ties of both
    return x, random.permutation(x), doubles, whole


@pytest.mark.parametrize("lowering", ["loop", "fibers", "lanes"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_arithmetic_rounds_as_the_hardware_does(samples, lowering):
    x, y, doubles, whole = samples
    out, single = np.zeros((x.size, 12), BFLOAT), np.zeros(x.size, np.float32)
    run(arithmetic, blocks_for(x.size, 64), 64, x, y, doubles, whole, out, single, lowering=lowering)
    a, b = x.astype(np.float32), y.astype(np.float32)
    total = (a + b).astype(BFLOAT)
    wanted = [
        total,
        a - b,
        a * b,
        np.where(b != 0, a / b, np.float32(7)),
        -a,
        total.astype(np.float32) + a,
        [nearest(one) for one in doubles],
        [nearest(int(one)) for one in whole],
        np.where(b > 0, np.sqrt(b), b),
        a < b,
        np.floor(a),
        total,
    ]
    for k, one in enumerate(wanted):
        np.testing.assert_array_equal(bits_of(out[:, k]), bits_of(one), err_msg=str(k))
    np.testing.assert_array_equal(single, b)


def value_of(bits):
    """Return the value of the bits of a finite bfloat16; those of infinity stand for what would come next."""
    return Fraction(2**128) if bits == 0x7F80 else Fraction(float(np.uint32(bits << 16).view(np.float32)))


def nearest(number):
    """Return the bfloat16 nearest a number, ties to even, by exact arithmetic."""
    low = int(np.float32(min(abs(float(number)), float(np.finfo(np.float32).max))).view(np.uint32)) >> 16
    exact = abs(Fraction(number))
    bits = min((max(low - 1, 0), low, low + 1), key=lambda one: (abs(value_of(one) - exact), one & 1))
    return math.copysign(float(np.uint32(bits << 16).view(np.float32)), number)


MODES = ("rn", "rz", "rd", "ru")
DIRECTED = [getattr(bf16, f"float32_to_bfloat16_{mode}") for mode in MODES]
OF_INTEGERS = [getattr(bf16, f"int64_to_bfloat16_{mode}") for mode in MODES]
TO_INTEGERS = [getattr(bf16, f"bfloat16_to_int32_{mode}") for mode in MODES]
rn, rz, rd, ru = DIRECTED
whole_rn, whole_rz, whole_rd, whole_ru = OF_INTEGERS
to_rn, to_rz, to_rd, to_ru = TO_INTEGERS


@cuda.jit
def conversions(x, whole, out, of_whole, integers):
    t = cuda.grid(1)
    if t < x.size:
        out[t, 0], out[t, 1], out[t, 2], out[t, 3] = rn(x[t]), rz(x[t]), rd(x[t]), ru(x[t])
        n = whole[t]
        of_whole[t, 0], of_whole[t, 1], of_whole[t, 2], of_whole[t, 3] = (
            whole_rn(n),
            whole_rz(n),
            whole_rd(n),
            whole_ru(n),
        )
        a = bf16.int16_as_bfloat16(bf16.bfloat16_as_int16(rz(x[t])))
        integers[t, 0], integers[t, 1], integers[t, 2], integers[t, 3] = to_rn(a), to_rz(a), to_rd(a), to_ru(a)


def in_direction(number, mode):
    """Return the bfloat16 next to a number in a direction, by exact arithmetic."""
    near = nearest(number)
    if mode == "rn":
        return near
    value = Fraction(near) if math.isfinite(near) else Fraction(2**128) * (1 if near > 0 else -1)
    wanted_above = {"ru": True, "rd": False, "rz": number < 0}[mode]
    bits = int(np.float32(near).view(np.uint32)) >> 16
    if value == number or (value > number) == wanted_above:
        return near
    grows = wanted_above == (near > 0 or (near == 0 and number > 0))
    return float(np.uint32((bits + (1 if grows else -1)) << 16).view(np.float32))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_conversions_round_in_their_directions(samples):
    _, _, doubles, whole = samples
    x = doubles.astype(np.float32)[np.isfinite(doubles.astype(np.float32))][:800]
    whole = whole[: x.size]
    out, of_whole = np.zeros((x.size, 4), BFLOAT), np.zeros((x.size, 4), BFLOAT)
    integers = np.zeros((x.size, 4), np.int32)
    run(conversions, blocks_for(x.size, 64), 64, x, whole, out, of_whole, integers)
    for k, mode in enumerate(MODES):
        wanted = bits_of([in_direction(float(one), mode) for one in x])
        np.testing.assert_array_equal(bits_of(out[:, k]), wanted, err_msg=mode)
        wanted = bits_of([in_direction(int(one), mode) for one in whole])
        np.testing.assert_array_equal(bits_of(of_whole[:, k]), wanted, err_msg=mode)
    toward_zero = out[:, 1].astype(np.float64)
    within = abs(toward_zero) < 2**31
    for k, function in enumerate((np.rint, np.trunc, np.floor, np.ceil)):
        np.testing.assert_array_equal(integers[within, k], function(toward_zero[within]))


@cuda.jit
def functions(x, y, z, out, flags, signs):
    t = cuda.grid(1)
    if t < signs.size:
        signs[t] = bf16.hisinf(bf16.float32_to_bfloat16(float32(t - 1) / float32(0)))
    if t < x.size:
        a, b, c = x[t], y[t], z[t]
        out[t, 0] = bf16.hfma(a, b, c)
        out[t, 1] = bf16.hmax(a, b)
        out[t, 2] = bf16.hadd_sat(a, b)
        out[t, 3] = bf16.hfma_relu(a, b, c)
        out[t, 4] = bf16.hrint(a)
        out[t, 5] = bf16.habs(bf16.hneg(a))
        flags[t, 0] = bf16.hgt(a, b)
        flags[t, 1] = bf16.hltu(a, b)
        flags[t, 2] = bf16.hisnan(a)


def test_functions_of_bf16():
    x = np.array([0.5, 1.0078125, np.nan, 3.75, 2.5, 1.0078125], BFLOAT)
    y = np.array([0.25, 1.0078125, 1.0, -3.0, np.nan, 1.0], BFLOAT)
    z = np.array([1.0, 1e-30, 1.0, 0.5, 1.0, 2.0**-100], BFLOAT)
    out, flags = np.zeros((6, 6), BFLOAT), np.zeros((6, 3), bool)
    signs = np.full(3, 9)
    run(functions, 1, 8, x, y, z, out, flags, signs)
    assert signs.tolist() == [-1, 0, 1]  # of minus infinity, not a number, and infinity
    a, b, c = (one.astype(float) for one in (x, y, z))
    numbers = ~(np.isnan(a) | np.isnan(b))
    fused = np.full(6, np.nan)
    fused[numbers] = [nearest(Fraction(a[k]) * Fraction(b[k]) + Fraction(c[k])) for k in np.flatnonzero(numbers)]
    saturated = np.where(numbers, np.clip(a + b, 0, 1), 0)
    wanted = [fused, np.fmax(a, b), saturated, np.where(numbers, np.maximum(fused, 0), fused), np.rint(a), abs(a)]
    for k in (0, 1, 2, 4, 5):
        np.testing.assert_array_equal(bits_of(out[:, k]), bits_of(wanted[k]), err_msg=str(k))
    np.testing.assert_array_equal(bits_of(out[numbers, 3]), bits_of(wanted[3][numbers]))
    np.testing.assert_array_equal(flags.T, [a > b, (a < b) | ~numbers, np.isnan(a)])
