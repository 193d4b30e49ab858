"""Numbers: integers as numba-cuda types them, floats to a few units in the last place."""

import math
import operator
from decimal import Decimal, localcontext

import numpy as np
from numba import cuda

from three_ways.case import Case


@cuda.jit
def integers(a, b, out):
    i = cuda.grid(1)
    out[i, 0] = a[i] // b[i]
    out[i, 1] = a[i] % b[i]
    out[i, 2] = (a[i] << 3) ^ (b[i] >> 1)
    out[i, 3] = (a[i] & 29) | ~b[i]
    out[i, 4] = abs(a[i]) - min(a[i], b[i]) + max(a[i], 3)
    out[i, 5] = -a[i] if a[i] < b[i] <= 9 else +b[i]
    out[i, 6] = divmod(a[i], b[i])[0] + divmod(a[i], b[i])[1]
    out[i, 7] = a[i] ** 2 + int(a[i] / 4) + bool(b[i])


@cuda.jit
def bit_operations(x, out):
    i = cuda.grid(1)
    out[i, 0] = cuda.popc(x[i])
    out[i, 1] = cuda.brev(x[i])
    out[i, 2] = cuda.clz(x[i])
    out[i, 3] = cuda.ffs(x[i])
    out[i, 4] = cuda.selp(x[i] > 5, 1, 2)


@cuda.jit
def wide_bits(x, out):
    i = cuda.grid(1)
    out[i, 0] = cuda.popc(x[i])
    out[i, 1] = cuda.brev(x[i])
    out[i, 2] = cuda.clz(x[i])
    out[i, 3] = cuda.ffs(x[i])


def wide_bits_reference(x, out):
    for i, one in enumerate(x.view(np.uint64)):
        text = f"{int(one):064b}"
        place = text[::-1].find("1") + 1
        out[i] = text.count("1"), int(text[::-1], 2), len(text) - len(text.lstrip("0")), place


@cuda.jit
def wrapping(a, b, out, narrow):
    i = cuda.grid(1)
    out[i, 0] = a[i] * b[i]
    out[i, 1] = a[i] + b[i]
    out[i, 2] = a[i] - b[i]
    narrow[i] = a[i] * b[i]


def wrapping_reference(a, b, out, narrow):
    with np.errstate(over="ignore"):
        out[:, 0], out[:, 1], out[:, 2] = a * b, a + b, a - b
        narrow[:] = (a * b).astype(np.int8)


@cuda.jit
def shifts(x, n, short, out, narrow):
    i = cuda.grid(1)
    out[i, 0] = x[i] << n[i]
    out[i, 1] = x[i] >> n[i]
    moved = x[i]
    moved <<= n[i]
    moved >>= short[i]
    out[i, 2] = moved
    out[i, 3] = x[i]
    out[i, min(3, n.size)] >>= n[cuda.grid(1)]
    out[i, 4] = x[i] << 64
    out[i, 5] = x[i] >> 70
    out[i, 6] = x[i] >> -1
    out[i, 7] = (x[i] << 3) ^ (x[i] >> 63)
    out[i, 8] = operator.lshift(x[i], n[i]) ^ operator.rshift(x[i], short[i])
    narrow[i, 0] = np.left_shift(short[i], short[i])
    narrow[i, 1] = np.right_shift(short[i], short[i])


def shifts_reference(x, n, short, out, narrow):
    def left(a, by):  # NumPy's amount has all its bits; that of PTX is the low 32, without sign
        return np.left_shift(a, (by & 0xFFFFFFFF).astype(a.dtype))

    def right(a, by):
        return np.right_shift(a, (by & 0xFFFFFFFF).astype(a.dtype))

    wide = short.astype(np.int64)
    sign = np.where(x < 0, x.dtype.type(-1 if x.dtype.kind == "i" else 0), x.dtype.type(0))
    columns = left(x, n), right(x, n), right(left(x, n), wide), x >> 0, x * 0, sign, sign
    for k, column in enumerate((*columns, (x << 3) ^ (x >> 63), left(x, n) ^ right(x, wide))):
        out[:, k] = column
    out[:, 3] = right(out[:, 3], n)
    narrow[:, 0], narrow[:, 1] = np.left_shift(short, short), np.right_shift(short, short)


@cuda.jit
def low_bits(a, b, turns, short, whole, real):
    i = cuda.grid(1)
    kept = low = compared = divided = shifted = 0
    mixed = a[i] ^ -b[i]
    for k in range(turns[i]):
        kept += a[i] * b[i]
        low = (low - a[i] * (k | 5)) ^ ~b[i]
        compared += a[i]
        divided += a[i]
        shifted += b[i]
        mixed = mixed * 3 + k
    short[i, 0] = low
    short[i, 1] = kept
    short[i, 2] = 1 if compared > 2**33 else 2
    short[i, 3] = divided // 1000
    short[i, 4] = shifted >> 7
    short[i, 5] = np.int32(mixed)
    short[turns[i] % 8, 6] = kept
    whole[i] = kept
    real[i] = np.float64(kept - low) + shifted


def low_bits_reference(a, b, turns, short, whole, real):
    def wrapped(number, bits):
        return (number + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)

    for i, (x, y, count) in enumerate(zip(a.tolist(), b.tolist(), turns.tolist(), strict=True)):
        kept = low = 0
        mixed = x ^ -y
        for k in range(count):
            kept += x * y
            low = (low - x * (k | 5)) ^ ~y
            mixed = mixed * 3 + k
        kept, low, added, shifted = (wrapped(one, 64) for one in (kept, low, x * count, y * count))
        row = low, kept, 1 if added > 2**33 else 2, added // 1000, shifted >> 7, mixed
        short[i, :6] = [wrapped(one, 32) for one in row]
        short[count % 8, 6] = wrapped(kept, 32)
        whole[i] = kept
        real[i] = float(wrapped(kept - low, 64)) + shifted


@cuda.jit
def turns_until(x, most, nearest, out):
    i = cuda.grid(1)
    value, before, count = x[i], x[i], 0
    while count < most and value * value < 50:
        before, value = value, value * 1.5 + 0.25
        count += 1
        if count == nearest:
            break
    else:
        count += 100
    out[i, 0], out[i, 1], out[i, 2] = count, value, before


@cuda.jit
def reals(x, y, out):
    i = cuda.grid(1)
    out[i, 0] = x[i] + y[i] * 2
    out[i, 1] = x[i] - y[i]
    out[i, 2] = x[i] * y[i]
    out[i, 3] = x[i] / y[i]
    out[i, 4] = x[i] // y[i]
    out[i, 5] = x[i] % y[i]
    out[i, 6] = abs(x[i]) ** 1.5
    out[i, 7] = x[i] if x[i] == x[i] else -1
    out[i, 8] = (x[i] < y[i]) + 2 * (x[i] >= y[i]) + 4 * (x[i] != y[i])
    out[i, 9] = round(y[i]) + int(y[i])
    out[i, 10] = min(x[i], y[i]) + max(y[i], 0.5)


@cuda.jit
def functions_of_one(x, out):
    i = cuda.grid(1)
    v = x[i]
    out[i, 0], out[i, 1], out[i, 2] = math.sin(v), math.cos(v), math.tan(v)
    out[i, 3], out[i, 4], out[i, 5] = math.asin(v), math.acos(v), math.atan(v)
    out[i, 6], out[i, 7], out[i, 8] = math.sinh(v), math.cosh(v), math.tanh(v)
    out[i, 9], out[i, 10], out[i, 11] = math.asinh(v), math.acosh(v + 1), math.atanh(v)
    out[i, 12], out[i, 13], out[i, 14] = math.exp(v), math.expm1(v), math.log(v)
    out[i, 15], out[i, 16], out[i, 17] = math.log2(v), math.log10(v), math.log1p(v)
    out[i, 18], out[i, 19], out[i, 20] = math.sqrt(v), math.erf(v), math.erfc(v)
    out[i, 21], out[i, 22] = math.gamma(v + 1), math.lgamma(v + 3)
    out[i, 23], out[i, 24], out[i, 25] = math.floor(v * 7), math.ceil(v * 7), math.floor(-v)
    out[i, 26], out[i, 27] = math.fabs(-v), math.degrees(v) + math.radians(v)
    out[i, 28], out[i, 29] = math.frexp(v)[0] + math.frexp(v)[1], math.modf(v * 7)[0] + math.modf(v * 7)[1]


@cuda.jit
def whole_parts(x, out):
    i = cuda.grid(1)
    out[i, 0], out[i, 1], out[i, 2] = math.trunc(x[i]), math.floor(x[i]), math.ceil(x[i])


@cuda.jit
def functions_of_two(x, y, out):
    i = cuda.grid(1)
    out[i, 0] = math.atan2(x[i], y[i])
    out[i, 1] = math.hypot(x[i], y[i])
    out[i, 2] = math.pow(abs(x[i]), y[i])
    out[i, 3] = math.fmod(x[i], y[i])
    out[i, 4] = math.copysign(x[i], -y[i])
    out[i, 5] = math.ldexp(x[i], 3)
    out[i, 6] = math.isnan(x[i]) + 2 * math.isinf(y[i]) + 4 * math.isfinite(x[i])


@cuda.jit
def special_values(x, out):
    i = cuda.grid(1)
    out[i, 0] = x[i] + 1
    out[i, 1] = x[i] * 0.0
    out[i, 2] = -x[i]
    out[i, 3] = (x[i] == x[i]) + 2 * (x[i] < 0) + 4 * (x[i] > 0) + 8 * math.isnan(x[i])
    out[i, 4] = math.copysign(1.0, x[i]) if not math.isnan(x[i]) else 0


@cuda.jit
def fused(x, y, z, out):
    i = cuda.grid(1)
    out[i] = cuda.fma(x[i], y[i], z[i])


def fused_reference(x, y, z, out):
    from fractions import Fraction

    out[:] = [
        float(Fraction(a) * Fraction(b) + Fraction(c))
        for a, b, c in zip(x.tolist(), y.tolist(), z.tolist(), strict=True)
    ]


@cuda.jit
def roots(x, out):
    i = cuda.grid(1)
    out[i] = cuda.cbrt(x[i])


def roots_reference(x, out):
    with localcontext(prec=50):
        out[:] = [math.copysign(float(abs(Decimal(one)) ** (Decimal(1) / 3)), one) for one in x.tolist()]


@cuda.jit
def complexes(x, y, out):
    i = cuda.grid(1)
    out[i, 0] = x[i] + y[i]
    out[i, 1] = x[i] * y[i] - 1j
    out[i, 2] = x[i] / y[i]
    out[i, 3] = abs(x[i]) + x[i].conjugate() + complex(x[i].imag, 2)
    out[i, 4] = x[i] == y[i]


@cuda.jit
def halves(x, y, out):
    i = cuda.grid(1)
    out[i, 0] = cuda.fp16.hadd(x[i], y[i])
    out[i, 1] = cuda.fp16.hmul(x[i], y[i])
    out[i, 2] = cuda.fp16.hmax(x[i], y[i])
    out[i, 3] = cuda.fp16.hsqrt(x[i])
    out[i, 4] = cuda.fp16.hrint(y[i])
    out[i, 5] = cuda.fp16.hgt(x[i], y[i])


A = np.array([7, -7, 8, -8, 0, 100, -3, 5])
B = np.array([2, 2, -3, -3, 4, 7, -1, 9])
X = np.array([0.75, -0.75, 2.5, -2.5, 1e10, 0.1, -3.0, 1e-10])
Y = np.array([0.5, 2.0, -0.75, -0.3, 3.0, 0.1, 7.0, -2.0])
SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e308, -1e-320, 2.0])
UNIT = np.array([0.01, 0.1, 0.25, 0.5, 0.625, 0.75, 0.9, 0.99])
BITS = np.array([0, 1, 2, 5, 6, 1023, 2**31, 2**32 - 1], np.uint32)
WIDE = np.array([0, 1, -1, -(2**63), 2**40, 2**62 + 3, -2, 96])
Z = np.array([1e-30, -1.0, 1 / 3, 2.0**-60, 0.0, -0.01, 7.0, 1.0])


@cuda.jit
def durations(x, y, whole, real):
    i = cuda.grid(1)
    whole[i] = x[i] // y[i]
    real[i] = x[i] / y[i]
    if i % 3 == 1:
        whole[i] += (x[i] + y[i]) // y[i]


SECONDS = np.array([7, -7, 7, -7, 8, -8, 0, 5, "NaT", 5, 2**40, 61], "m8[s]")
BY = np.array([2, 2, -2, -2, 2, -2, 3, 0, 4, "NaT", -1, 60], "m8[s]")


CASES = [
    Case(durations, 1, 12, (SECONDS, BY, np.zeros(12, np.int64), np.zeros(12))),
    Case(durations, 1, 12, (SECONDS, BY.astype("m8[ms]"), np.zeros(12, np.int64), np.zeros(12))),
    Case(integers, 2, 4, (A, B, np.zeros((8, 8), np.int64))),
    Case(integers, 2, 4, (A.astype(np.int32), B.astype(np.int32), np.zeros((8, 8), np.int64))),
    Case(bit_operations, 2, 4, (BITS, np.zeros((8, 5), np.int64))),
    Case(
        wide_bits,
        2,
        4,
        (WIDE, np.zeros((8, 4), np.uint64)),
        instead=wide_bits_reference,
        why="the simulator takes all integers for 32 bits, and none below zero",
    ),
    Case(
        wrapping,
        2,
        4,
        (WIDE, WIDE[::-1].copy() * 3, np.zeros((8, 3), np.int64), np.zeros(8, np.int8)),
        instead=wrapping_reference,
        why="the simulator raises where an integer would wrap around",
    ),
    *(
        Case(
            shifts,
            2,
            4,
            (
                np.array([1, -1, 5, -7, 2**62, -(2**63), 12345, 99]).astype(dtype),
                np.array([0, 1, 63, 64, 65, -1, 2**32 + 3, -(2**33) + 40]),
                np.array([3, -5, 31, 32, 40, -1, 0, 64], np.int32),
                np.zeros((8, 9), np.int64 if dtype is np.int64 else np.uint64),
                np.zeros((8, 2), np.int32),
            ),
            instead=shifts_reference,
            why="Python's numbers have no width, and it refuses amounts below zero",
        )
        for dtype in (np.int64, np.uint64)
    ),
    Case(
        low_bits,
        2,
        4,
        (
            WIDE,
            WIDE[::-1].copy() + 5,
            np.arange(8)[::-1].copy(),
            np.zeros((8, 7), np.int32),
            np.zeros(8, int),
            np.zeros(8),
        ),
        1,
        instead=low_bits_reference,
        why="the simulator raises where an integer would wrap around",
    ),
    *(
        Case(turns_until, 2, 4, (0.1 * X, most, nearest, np.zeros((8, 3), np.float32)))
        for most, nearest in ((0, 3), (4, 9), (90, 5), (90, 200))
    ),
    Case(reals, 2, 4, (X, Y, np.zeros((8, 11))), 2),
    Case(reals, 2, 4, (X.astype(np.float32), Y.astype(np.float32), np.zeros((8, 11), np.float32)), 2),
    Case(functions_of_one, 2, 4, (UNIT, np.zeros((8, 30))), 4),
    Case(functions_of_one, 2, 4, (UNIT.astype(np.float32), np.zeros((8, 30), np.float32)), 4),
    Case(whole_parts, 2, 4, (X, np.zeros((8, 3)))),
    Case(functions_of_two, 2, 4, (X, Y, np.zeros((8, 7))), 2),
    Case(functions_of_two, 2, 4, (X.astype(np.float32), Y.astype(np.float32), np.zeros((8, 7), np.float32)), 2),
    Case(special_values, 2, 4, (SPECIAL, np.zeros((8, 5)))),
    Case(fused, 2, 4, (X, Y, Z, np.zeros(8)), instead=fused_reference, why="the simulator's fma rounds twice"),
    Case(
        roots,
        3,
        4,
        (np.concatenate([X, [1e-300, -5e-324, 1.7e308, 8]]), np.zeros(12)),
        1,
        instead=roots_reference,
        why="the simulator's cbrt is a power of 1/3, and complex below zero",
    ),
    Case(complexes, 2, 4, (A + 1j * B, B - 2j * A + 1, np.zeros((8, 5), complex)), 2),
    Case(halves, 2, 4, (UNIT.astype(np.float16), Y.astype(np.float16), np.zeros((8, 6), np.float16))),
]
