"""Functions of libdevice on real numbers that the C library lacks, or has with other arguments.

Quantiles of the normal distribution: M. J. Wichura, "Algorithm AS 241", Applied Statistics 37 (1988), good to about 16
digits; the inverses of erf and erfc follow from it.
"""

# numba types little of what it compiles:
# mypy: disable-error-code="untyped-decorator,no-untyped-call,no-any-return,unused-ignore"

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rkruntime.simt._cube_root import cube_root
from rkruntime.simt._libm import c_function, llvm_function
from rkruntime.simt._numba import njit, types

__all__ = ("FUNCTIONS",)

DOUBLE = types.float64
kernel_code = njit(nogil=True, error_model="numpy")
_fma = llvm_function("llvm.fma", DOUBLE, DOUBLE, DOUBLE, DOUBLE)
_fmod = c_function("fmod", DOUBLE, DOUBLE, DOUBLE)
_remainder = c_function("remainder", DOUBLE, DOUBLE, DOUBLE)
_round = llvm_function("llvm.round", DOUBLE, DOUBLE)

# Numerators and denominators of AS 241, lowest power first, for the middle, the tails, and far out in them.
_MIDDLE = (
    (
        3.3871328727963665,
        133.14166789178438,
        1971.5909503065513,
        13731.69376550946,
        45921.95393154987,
        67265.7709270087,
        33430.57558358813,
        2509.0809287301227,
    ),
    (
        1.0,
        42.31333070160091,
        687.1870074920579,
        5394.196021424751,
        21213.794301586597,
        39307.89580009271,
        28729.085735721943,
        5226.495278852546,
    ),
)
_TAIL = (
    (
        1.4234371107496835,
        4.630337846156546,
        5.769497221460691,
        3.6478483247632045,
        1.2704582524523684,
        0.2417807251774506,
        0.022723844989269184,
        0.0007745450142783414,
    ),
    (
        1.0,
        2.053191626637759,
        1.6763848301838038,
        0.6897673349851,
        0.14810397642748008,
        0.015198666563616457,
        0.0005475938084995345,
        1.0507500716444169e-09,
    ),
)
_FAR = (
    (
        6.657904643501103,
        5.463784911164114,
        1.7848265399172913,
        0.29656057182850487,
        0.026532189526576124,
        0.0012426609473880784,
        2.7115555687434876e-05,
        2.0103343992922881e-07,
    ),
    (
        1.0,
        0.599832206555888,
        0.1369298809227358,
        0.014875361290850615,
        0.0007868691311456133,
        1.8463183175100548e-05,
        1.421511758316446e-07,
        2.0442631033899397e-15,
    ),
)


@kernel_code
def _ratio(x: Any, over: Any, under: Any) -> Any:
    """Return the quotient of two polynomials."""
    top, bottom = 0.0, 0.0
    for k in range(7, -1, -1):
        top, bottom = top * x + over[k], bottom * x + under[k]
    return top / bottom


@kernel_code
def _quantile(centred: Any, tail: Any) -> Any:
    """Return the quantile of the normal distribution.

    Args:
        centred: The probability less one half.
        tail: The smaller of the probability and what is left to one.
    """
    if abs(centred) <= 0.425:
        return centred * _ratio(0.180625 - centred * centred, _MIDDLE[0], _MIDDLE[1])
    if not 0 <= tail <= 1:
        return math.nan
    if tail == 0:
        return math.copysign(math.inf, centred)
    r = math.sqrt(-math.log(tail))
    found = _ratio(r - 1.6, _TAIL[0], _TAIL[1]) if r <= 5 else _ratio(r - 5, _FAR[0], _FAR[1])
    return math.copysign(found, centred)


ROOT_2 = math.sqrt(2)


def _normcdfinv(p: Any) -> Any:
    return _quantile(p - 0.5, min(p, 1 - p))


def _erfinv(x: Any) -> Any:
    return _quantile(0.5 * x, 0.5 * (1 - abs(x))) / ROOT_2


def _erfcinv(x: Any) -> Any:
    if x < 0:
        return math.nan  # also where half of it is -0.0
    return -_quantile(0.5 * (x - 1), min(0.5 * x, 0.5 * (2 - x))) / ROOT_2


def _erfcx(x: Any) -> Any:
    """Return exp(x * x) * erfc(x)."""
    x = np.float64(x)
    if x > 26:
        y = 1 / (x * x)
        series = 1 - y * (0.5 - y * (0.75 - y * (1.875 - y * 6.5625)))
        return series / math.sqrt(math.pi) / x
    if x < -27:
        return math.inf
    square = x * x
    return math.exp(square) * (1 + _fma(x, x, -square)) * math.erfc(x)


@kernel_code
def _sin_cos_pi(x: Any) -> Any:
    """Return the sine and cosine of pi times x, exact where they are 0, 1 or -1."""
    if math.isinf(x):
        return math.nan, math.nan
    rest = _remainder(x, 2.0)
    quarter = _round(2 * rest)
    angle = math.pi * (rest - 0.5 * quarter)
    sine, cosine = math.sin(angle), math.cos(angle)
    turn = int(quarter) & 3
    if turn == 1:
        return cosine, -sine
    if turn == 2:
        return -sine, -cosine
    return (-cosine, sine) if turn == 3 else (sine, cosine)


def _sinpi(x: Any) -> Any:
    sine = _sin_cos_pi(x)[0]
    return math.copysign(0.0, x) if sine == 0 else sine


def _saturatef(x: Any) -> Any:
    return min(max(x, 0.0), 1.0) if x == x else 0.0


def _powi(x: Any, n: Any) -> Any:
    return math.pow(np.float64(x), np.float64(n))


def _modf(x: Any) -> Any:
    whole = np.trunc(x)
    return math.copysign(0.0 if math.isinf(x) else x - whole, x), whole


def _remquo(x: Any, y: Any) -> Any:
    """Return the IEEE remainder, and the low three bits of the quotient with its sign."""
    a, b = np.float64(x), np.float64(y)
    rest = _remainder(a, b)
    if not math.isfinite(a) or b == 0 or math.isnan(b) or math.isinf(b):
        return rest, 0
    eight = math.fabs(_fmod(a, 8 * b)) if math.isfinite(8 * b) else math.fabs(a)
    count = int(np.rint((eight - math.copysign(1.0, a) * rest) / math.fabs(b))) & 7
    return rest, count if (a < 0) == (b < 0) else -count


def _rint_whole(x: Any) -> Any:
    return np.int64(np.rint(np.float64(x)))


def _round_whole(x: Any) -> Any:
    return np.int64(_round(np.float64(x)))


# What has a float32 variant whose name ends with an f stands here once; it is computed in float64 and rounded.
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "cospi": lambda x: _sin_cos_pi(np.float64(x))[1],
    "erfcinv": _erfcinv,
    "erfcx": _erfcx,
    "erfinv": _erfinv,
    "fast_fdividef": lambda x, y: x / y,
    "fast_sincosf": lambda x: (math.sin(x), math.cos(x)),
    "finitef": lambda x: math.isfinite(x),
    "frexp": lambda x: math.frexp(x),
    "frsqrt_rn": lambda x: 1 / math.sqrt(np.float64(x)),
    "isfinited": lambda x: math.isfinite(x),
    "isinfd": lambda x: math.isinf(x),
    "isinff": lambda x: math.isinf(x),
    "isnand": lambda x: math.isnan(x),
    "isnanf": lambda x: math.isnan(x),
    "llrint": _rint_whole,
    "llround": _round_whole,
    "modf": _modf,
    "normcdf": lambda x: 0.5 * math.erfc(-np.float64(x) / ROOT_2),
    "normcdfinv": _normcdfinv,
    "powi": _powi,
    "cbrt": lambda x: cube_root(x),
    "rcbrt": lambda x: 1 / cube_root(x),
    "remquo": _remquo,
    "rsqrt": lambda x: 1 / math.sqrt(np.float64(x)),
    "saturatef": _saturatef,
    "sincos": lambda x: (math.sin(x), math.cos(x)),
    "sincospi": lambda x: _sin_cos_pi(np.float64(x)),
    "sinpi": _sinpi,
}
