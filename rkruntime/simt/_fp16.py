"""`cuda.fp16` on the CPU: each function computes in float64 and rounds to float16 once."""

# numba types little of what it compiles:
# mypy: disable-error-code="no-untyped-call,no-any-return,untyped-decorator,unused-ignore"

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rkruntime.simt import _half as _half  # registers float16
from rkruntime.simt import _rounding
from rkruntime.simt._libm import compiled_as, typed
from rkruntime.simt._numba import njit, types

__all__ = ("stand_in",)

HALF, TRUTH = types.float16, types.boolean
MODES = ("rn", "rz", "ru", "rd")
NUMBERS: Mapping[str, Any] = {
    "char": types.int8,
    "uchar": types.uint8,
    "short": types.int16,
    "ushort": types.uint16,
    "int": types.int32,
    "uint": types.uint32,
    "ll": types.int64,
    "ull": types.uint64,
    "float": types.float32,
    "double": types.float64,
}
kernel_code = njit(nogil=True, error_model="numpy")


@kernel_code
def _saturated(x: Any) -> Any:
    """Bring a number into 0 to 1; NaN is 0."""
    return min(max(x, 0.0), 1.0) if x == x else 0.0


@kernel_code
def _either(x: Any, y: Any, larger: Any) -> Any:
    """Return the larger or smaller number; a NaN gives way."""
    if x != x or y != y:
        return y if x != x else x
    return max(x, y) if larger else min(x, y)


_UNARY: Mapping[str, Callable[..., Any]] = {
    "habs": lambda x: abs(x),
    "hneg": lambda x: -x,
    "hceil": lambda x: np.ceil(x),
    "hfloor": lambda x: np.floor(x),
    "htrunc": lambda x: np.trunc(x),
    "hrint": lambda x: np.rint(x),
    "hsin": lambda x: math.sin(x),
    "hcos": lambda x: math.cos(x),
    "hexp": lambda x: math.exp(x),
    "hexp2": lambda x: 2.0**x,
    "hexp10": lambda x: 10.0**x,
    "hlog": lambda x: math.log(x),
    "hlog2": lambda x: math.log2(x),
    "hlog10": lambda x: math.log10(x),
    "hrcp": lambda x: 1 / x,
    "hrsqrt": lambda x: 1 / math.sqrt(x),
    "hsqrt": lambda x: math.sqrt(x),
    "htanh": lambda x: math.tanh(x),
    "htanh_approx": lambda x: math.tanh(x),
}
_BINARY: Mapping[str, Callable[..., Any]] = {
    "hadd": lambda x, y: x + y,
    "hsub": lambda x, y: x - y,
    "hmul": lambda x, y: x * y,
    "hdiv": lambda x, y: x / y,
    "hmax": lambda x, y: _either(x, y, True),
    "hmin": lambda x, y: _either(x, y, False),
    "hmax_nan": lambda x, y: max(x, y) if x == x and y == y else math.nan,
    "hmin_nan": lambda x, y: min(x, y) if x == x and y == y else math.nan,
}
_COMPARISONS: Mapping[str, Callable[..., Any]] = {
    "heq": lambda x, y: x == y,
    "hne": lambda x, y: x < y or x > y,
    "hge": lambda x, y: x >= y,
    "hgt": lambda x, y: x > y,
    "hle": lambda x, y: x <= y,
    "hlt": lambda x, y: x < y,
}


def _reinterpreted(result: Any, given: Any) -> Any:
    """Make the function that takes the same sixteen bits for another type."""
    return typed(lambda _context, _builder, _signature, args: args[0], result, given)


_bits_of, _half_of = _reinterpreted(types.int16, HALF), _reinterpreted(HALF, types.int16)


@functools.cache
def stand_in(name: str) -> Any:
    """Return what a kernel calls in place of a function of `cuda.fp16`, or None where there is no such function."""
    name = name.removeprefix("__")
    if "2half" in name or "half2" in name or "_as_" in name:
        return _conversion(name)
    base, _, suffix = name.partition("_")
    if name in _UNARY:
        return _over(_UNARY[name], HALF, 1)
    if name in _BINARY:
        return _over(_BINARY[name], HALF, 2)
    if name in _COMPARISONS:
        return _over(_COMPARISONS[name], TRUTH, 2)
    if name in ("hisnan", "hisinf"):
        return _over((lambda x: x != x) if name == "hisnan" else (lambda x: math.isinf(x)), types.int32, 1)
    if base[:-1] in _COMPARISONS and base.endswith("u"):
        ordered = kernel_code(_COMPARISONS[base[:-1]])
        return _over(lambda x, y: x != x or y != y or ordered(x, y), TRUTH, 2)
    return _with_suffix(base, suffix)


def _with_suffix(base: str, suffix: str) -> Any:
    """Return arithmetic that rounds (`rn`), and saturates (`sat`) or drops negative results (`relu`) afterwards."""
    if base == "hfma":
        fused: Callable[..., Any] = {
            "": lambda x, y, z: x * y + z,
            "sat": lambda x, y, z: _saturated(x * y + z),
            "relu": lambda x, y, z: max(x * y + z, 0.0),
        }[suffix]
        return _over(fused, HALF, 3)
    if base not in _BINARY or suffix not in ("rn", "sat"):
        return None
    if suffix == "rn":
        return _over(_BINARY[base], HALF, 2)
    plain = kernel_code(_BINARY[base])
    return _over(lambda x, y: _saturated(plain(x, y)), HALF, 2)


def _over(function: Callable[..., Any], result: Any, count: int) -> Any:
    """Make a function of float64 one of float16; its result is exact before it is rounded, but for 80-bit sums."""
    inner = kernel_code(function)
    wide = np.float64
    call: Callable[..., Any] = (
        lambda a: inner(wide(a)),
        lambda a, b: inner(wide(a), wide(b)),
        lambda a, b, c: inner(wide(a), wide(b), wide(c)),
    )[count - 1]
    return compiled_as(call, result, *[HALF] * count)


def _conversion(name: str) -> Any:
    """Return a conversion, such as `float2half_rn`, `half2int_rz` or `half_as_short`."""
    source, _, target = name.partition("_as_")
    if target:
        kinds = {**NUMBERS, "half": HALF}
        return _reinterpreted(kinds[target], kinds[source])
    stem, _, mode = name.partition("_")
    source, _, target = stem.partition("2")
    if target == "half" and source in NUMBERS:
        return compiled_as(_rounded_half(mode or "rn"), HALF, NUMBERS[source])
    if source == "half" and target == "float":
        return compiled_as(lambda x: np.float32(x), types.float32, HALF)
    if source == "half" and target in NUMBERS:
        kind = NUMBERS[target]
        convert = kernel_code(_rounding.whole(mode, kind.bitwidth, not kind.signed))
        return compiled_as(lambda x: convert(np.float64(x)), kind, HALF)
    return None


def _rounded_half(mode: str) -> Callable[..., Any]:
    """Return the conversion of a number to float16 in a direction."""
    up, down, zero = mode == "ru", mode == "rd", mode == "rz"

    def convert(x: Any) -> Any:
        exact = np.float64(x)
        near = np.float16(exact)
        value = np.float64(near)
        if value < exact and (up or (zero and exact < 0)):
            step = 1 if value >= 0 else -1
        elif value > exact and (down or (zero and exact > 0)):
            step = -1 if value > 0 else 1
        else:
            return near
        if math.isinf(exact):
            return near
        if value == 0:
            return np.float16(6e-8) if value < exact else np.float16(-6e-8)
        return _half_of(np.int16(_bits_of(near) + step))

    return convert
