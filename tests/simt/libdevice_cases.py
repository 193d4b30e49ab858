"""Every function of `numba.cuda.libdevice`, with samples of its arguments and an independent reference.

References: Python's `math`, `scipy.special`, NumPy, and exact fractions for what rounds in a given direction.
"""

import math
import struct
from fractions import Fraction

import numpy as np
from numba.core import types
from numba.cuda import libdevicefuncs
from scipy import special

DOUBLE, SINGLE = types.float64, types.float32
REAL = (0.3, -0.7, 1.0, -0.0, 2.5, -3.5, 17.25, 0.001, 1e10, -1e10, math.inf, -math.inf, math.nan)
UNIT = (0.3, -0.7, 0.0, 0.999, -0.25, 0.5, 1e-9)
POSITIVE = (0.3, 1.0, 2.5, 1e-9, 17.25, 0.999, 1e10)
MODERATE = (0.3, -0.7, 0.0, 2.5, -3.5, 4.25)
WHOLE = (0, 1, -1, 5, -77, 0x12345678, -(2**31), 2**31 - 1)
LONG = (*WHOLE, 2**62 + 12345, -(2**63), 2**63 - 1, 2**53 + 1)


def bits_of(x, form, back):
    return struct.unpack(back, struct.pack(form, x))[0]


def low24(x):
    return ((x & 0xFFFFFF) ^ 0x800000) - 0x800000


def wrapped(x, bits):
    return ((x + (1 << bits - 1)) % (1 << bits)) - (1 << bits - 1)


def unsigned(x, bits):
    return x % (1 << bits)


def permuted(x, y, s):
    table = struct.pack("<ii", x, y)
    return bits_of(bytes(table[s >> 4 * k & 7] for k in range(4)), "4s", "<i")


def half_bits(x):
    with np.errstate(over="ignore"):
        return int(np.float16(x).view(np.int16))


def sinpi(x):
    return math.sin(math.pi * math.fmod(x, 2))


def cospi(x):
    return math.cos(math.pi * math.fmod(x, 2))


# name: (reference, samples of each argument)
WHOLE_NUMBERS = {
    "abs": abs,
    "llabs": abs,
    "brev": lambda x: int(f"{unsigned(x, 32):032b}"[::-1], 2),
    "brevll": lambda x: int(f"{unsigned(x, 64):064b}"[::-1], 2),
    "byte_perm": permuted,
    "clz": lambda x: 32 - unsigned(x, 32).bit_length(),
    "clzll": lambda x: 64 - unsigned(x, 64).bit_length(),
    "ffs": lambda x: (x & -x).bit_length(),
    "ffsll": lambda x: (x & -x).bit_length(),
    "popc": lambda x: unsigned(x, 32).bit_count(),
    "popcll": lambda x: unsigned(x, 64).bit_count(),
    "hadd": lambda x, y: (x + y) >> 1,
    "rhadd": lambda x, y: (x + y + 1) >> 1,
    "uhadd": lambda x, y: (unsigned(x, 32) + unsigned(y, 32)) >> 1,
    "urhadd": lambda x, y: (unsigned(x, 32) + unsigned(y, 32) + 1) >> 1,
    "max": max,
    "min": min,
    "llmax": max,
    "llmin": min,
    "umax": lambda x, y: max(unsigned(x, 32), unsigned(y, 32)),
    "umin": lambda x, y: min(unsigned(x, 32), unsigned(y, 32)),
    "ullmax": lambda x, y: max(unsigned(x, 64), unsigned(y, 64)),
    "ullmin": lambda x, y: min(unsigned(x, 64), unsigned(y, 64)),
    "mul24": lambda x, y: low24(x) * low24(y),
    "umul24": lambda x, y: (x & 0xFFFFFF) * (y & 0xFFFFFF),
    "mulhi": lambda x, y: (x * y) >> 32,
    "mul64hi": lambda x, y: (x * y) >> 64,
    "umulhi": lambda x, y: (unsigned(x, 32) * unsigned(y, 32)) >> 32,
    "umul64hi": lambda x, y: (unsigned(x, 64) * unsigned(y, 64)) >> 64,
    "sad": lambda x, y, z: abs(x - y) + z,
    "usad": lambda x, y, z: abs(unsigned(x, 32) - unsigned(y, 32)) + z,
    "double2hiint": lambda x: bits_of(x, "<d", "<q") >> 32,
    "double2loint": lambda x: bits_of(x, "<d", "<q") & 0xFFFFFFFF,
    "hiloint2double": lambda x, y: bits_of(struct.pack("<ii", y, x), "8s", "<d"),
    "double_as_longlong": lambda x: bits_of(x, "<d", "<q"),
    "longlong_as_double": lambda x: bits_of(x, "<q", "<d"),
    "float_as_int": lambda x: bits_of(x, "<f", "<i"),
    "int_as_float": lambda x: bits_of(x, "<i", "<f"),
    "half2float": lambda x: bits_of(x, "<h", "<e"),
    "float2half_rn": lambda x: half_bits(x),
    "signbitd": lambda x: int(math.copysign(1, x) < 0),
    "signbitf": lambda x: int(math.copysign(1, x) < 0),
    "finitef": lambda x: int(math.isfinite(x)),
    "isfinited": lambda x: int(math.isfinite(x)),
    "isinfd": lambda x: int(math.isinf(x)),
    "isinff": lambda x: int(math.isinf(x)),
    "isnand": lambda x: int(math.isnan(x)),
    "isnanf": lambda x: int(math.isnan(x)),
}
REAL_NUMBERS = {
    "acos": (np.arccos, UNIT),
    "acosh": (np.arccosh, (1.0, 1.5, 17.25, 1e10)),
    "asin": (np.arcsin, UNIT),
    "asinh": (np.arcsinh, REAL),
    "atan": (np.arctan, REAL),
    "atan2": (np.arctan2, REAL),
    "atanh": (np.arctanh, UNIT),
    "cbrt": (np.cbrt, REAL),
    "ceil": (np.ceil, REAL),
    "copysign": (np.copysign, REAL),
    "cos": (np.cos, MODERATE),
    "cosh": (np.cosh, MODERATE),
    "cospi": (cospi, (0.0, 0.5, 1.0, 1.5, -0.25, 7.75, 1e10 + 0.5)),
    "erf": (special.erf, REAL),
    "erfc": (special.erfc, MODERATE),
    "erfcinv": (special.erfcinv, (0.3, 1.0, 1.9, 1e-9, 1e-300, 0.0, 2.0, 0.75, -5e-324, 2.5)),
    "erfcx": (special.erfcx, (*MODERATE, 20.5, 30.0, 1e10, 1e308, -9.0, -30.0, -1e200, -math.inf)),
    "erfinv": (special.erfinv, (*UNIT, 1.0, -1.0, 1 - 1e-12)),
    "exp": (np.exp, MODERATE),
    "exp10": (lambda x: np.power(10.0, x), MODERATE),
    "exp2": (np.exp2, MODERATE),
    "expm1": (np.expm1, MODERATE),
    "fabs": (np.abs, REAL),
    "fdim": (lambda x, y: x - y if x > y else x * 0.0, MODERATE),
    "floor": (np.floor, REAL),
    "fma": (lambda x, y, z: float(Fraction(x) * Fraction(y) + Fraction(z)), MODERATE),
    "fmax": (np.fmax, REAL),
    "fmin": (np.fmin, REAL),
    "fmod": (np.fmod, REAL),
    "frexp": (np.frexp, MODERATE),
    "hypot": (np.hypot, MODERATE),
    "ilogb": (lambda x: math.frexp(x)[1] - 1, POSITIVE),
    "j0": (special.j0, MODERATE),
    "j1": (special.j1, MODERATE),
    "ldexp": (lambda x, n: np.ldexp(x, n), MODERATE),
    "lgamma": (special.gammaln, POSITIVE),
    "llrint": (lambda x: int(np.rint(x)), MODERATE),
    "llround": (lambda x: int(math.floor(abs(x) + 0.5) * math.copysign(1, x)), MODERATE),
    "log": (np.log, POSITIVE),
    "log10": (np.log10, POSITIVE),
    "log1p": (np.log1p, POSITIVE),
    "log2": (np.log2, POSITIVE),
    "logb": (lambda x: math.frexp(x)[1] - 1.0, POSITIVE),
    "modf": (lambda x: np.modf(x), REAL),
    "nearbyint": (np.rint, REAL),
    "nextafter": (np.nextafter, MODERATE),
    "normcdf": (special.ndtr, MODERATE),
    "normcdfinv": (special.ndtri, (0.3, 0.5, 0.999, 1e-9, 1e-300, 0.0, 1.0)),
    "pow": (np.power, POSITIVE[:5]),
    "powi": (lambda x, n: np.power(x, float(n)), MODERATE),
    "rcbrt": (lambda x: 1 / np.cbrt(x), POSITIVE),
    "remainder": (math.remainder, MODERATE[3:]),
    "remquo": (lambda x, y: (math.remainder(x, y), quotient_bits(x, y)), (*MODERATE[3:], 100.5, -30.25)),
    "rint": (np.rint, REAL),
    "round": (lambda x: np.copysign(np.floor(abs(x) + 0.5), x), MODERATE),
    "rsqrt": (lambda x: 1 / np.sqrt(x), POSITIVE),
    "saturatef": (lambda x: 0.0 if math.isnan(x) else min(max(x, 0.0), 1.0), REAL),
    "scalbn": (lambda x, n: np.ldexp(x, n), MODERATE),
    "sin": (np.sin, MODERATE),
    "sincos": (lambda x: (np.sin(x), np.cos(x)), MODERATE),
    "sincospi": (lambda x: (sinpi(x), cospi(x)), MODERATE),
    "sinh": (np.sinh, MODERATE),
    "sinpi": (sinpi, (0.0, 0.5, 1.0, 1.5, -0.25, 7.75, 1e10 + 0.5)),
    "sqrt": (np.sqrt, POSITIVE),
    "tan": (np.tan, MODERATE),
    "tanh": (np.tanh, MODERATE),
    "tgamma": (special.gamma, (0.3, 1.0, 2.5, 17.25, -3.5)),
    "trunc": (np.trunc, REAL),
    "y0": (special.y0, POSITIVE[:3]),
    "y1": (special.y1, POSITIVE[:3]),
    "fast_fdividef": (lambda x, y: x / y, MODERATE[3:]),
}
BESSEL = {"jn": special.jn, "yn": special.yn}


def quotient_bits(x, y):
    """Return the low three bits of the quotient to nearest, with its sign."""
    nearest = round(Fraction(x) / Fraction(y))
    return (abs(nearest) & 7) * (1 if nearest >= 0 else -1)


def rounded_exactly(exact, real, mode):
    """Round a fraction to a real type in a direction; exact fractions know no zero with a sign."""
    near = real(float(exact)) if real is np.float64 else nearest_single(exact)
    if mode == "rn" or (math.isfinite(near) and Fraction(float(near)) == exact):
        return near
    below = near if (math.isinf(near) and near < 0) or (math.isfinite(near) and Fraction(float(near)) < exact) else None
    low = near if below is not None else np.nextafter(near, real(-np.inf))
    with np.errstate(over="ignore"):
        high = np.nextafter(low, real(np.inf))
    toward = {"rd": low, "ru": high, "rz": low if exact > 0 else high}
    return toward[mode]


def nearest_single(exact):
    """Return the float32 that is nearest to a fraction."""
    with np.errstate(over="ignore"):
        guess = np.float32(float(exact))
    if math.isinf(guess):
        return guess
    around = (np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf)))
    return min(around, key=lambda one: (abs(Fraction(float(one)) - exact), int(one.view(np.int32)) & 1))


def signature_of(name):
    returned, parameters = libdevicefuncs.functions["__nv_" + name]
    return libdevicefuncs.create_signature(returned, parameters)
