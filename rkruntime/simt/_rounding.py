"""Arithmetic and conversions with a rounding mode: to nearest, toward zero, up, down.

The CPU rounds to nearest; the exact error of that, or its sign, follows from error-free transformations (Knuth's
two-sum; the product's error by fma; Boldo and Muller, "Exact and Approximated Error of the FMA", 2011), and says
whether the neighbour is wanted. float32 is computed in float64, where sums and products have the room. An error
below the smallest subnormal is taken for none.
"""

# numba types little of what it compiles:
# mypy: disable-error-code="untyped-decorator,no-untyped-call,no-any-return,unused-ignore"

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rkruntime.simt._libm import llvm_function
from rkruntime.simt._numba import njit, types

__all__ = ("rounded", "two_sum", "whole")

SINGLE, DOUBLE = types.float32, types.float64
_fma = llvm_function("llvm.fma", DOUBLE, DOUBLE, DOUBLE, DOUBLE)
kernel_code = njit(nogil=True, error_model="numpy", forceinline=True)


@kernel_code
def two_sum(a: Any, b: Any) -> Any:
    """Return a + b as rounded, and its error."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


@kernel_code
def _zero_down(total: Any, a: Any, b: Any) -> Any:
    """Whether a sum is the zero that rounding down makes negative."""
    return total == 0 and math.copysign(1.0, a) != math.copysign(1.0, b)


def _corrector(mode: str, real: Any) -> Any:
    """Make the function that moves a rounded result to its neighbour where the mode asks for it."""
    up, down, zero = mode == "ru", mode == "rd", mode == "rz"

    @kernel_code
    def correct(result: Any, error: Any, finite: Any) -> Any:
        if math.isinf(result):
            toward_zero = zero or (down and result > 0) or (up and result < 0)
            return np.nextafter(result, real(0)) if finite and toward_zero else result
        if error > 0 and (up or (zero and result < 0)):
            return np.nextafter(result, real(np.inf))
        if error < 0 and (down or (zero and result > 0)):
            return np.nextafter(result, real(-np.inf))
        return result

    return correct


def _sum(mode: str, real: Any, sign: int) -> Callable[..., Any]:
    correct, down = _corrector(mode, real), mode == "rd"

    def add(a: Any, b: Any) -> Any:
        one, other = np.float64(a), sign * np.float64(b)
        total, error = two_sum(one, other)
        if down and _zero_down(total, one, other):
            return real(-0.0)
        result = real(total)
        return correct(result, (total - np.float64(result)) + error, math.isfinite(one) and math.isfinite(other))

    return add


def _product(mode: str, real: Any) -> Callable[..., Any]:
    correct = _corrector(mode, real)

    def multiply(a: Any, b: Any) -> Any:
        result = real(np.float64(a) * np.float64(b))
        error = _fma(np.float64(a), np.float64(b), -np.float64(result))
        return correct(result, error, math.isfinite(a) and math.isfinite(b))

    return multiply


def _quotient(mode: str, real: Any) -> Any:
    correct = _corrector(mode, real)

    @kernel_code
    def divide(a: Any, b: Any) -> Any:
        result = real(a) / real(b)
        error = _fma(-np.float64(result), np.float64(b), np.float64(a))
        finite = math.isfinite(a) and math.isfinite(b) and b != 0
        return correct(result, math.copysign(1.0, np.float64(b)) * error, finite)

    return divide


def _root(mode: str, real: Any) -> Callable[..., Any]:
    correct = _corrector(mode, real)

    def root(a: Any) -> Any:
        result = np.sqrt(real(a))
        return correct(result, _fma(-np.float64(result), np.float64(result), np.float64(a)), math.isfinite(a))

    return root


def _fused(mode: str, real: Any) -> Callable[..., Any]:
    correct, down, single = _corrector(mode, real), mode == "rd", real is SINGLE

    def fused(a: Any, b: Any, c: Any) -> Any:
        x, y, z = np.float64(a), np.float64(b), np.float64(c)
        finite = math.isfinite(x) and math.isfinite(y) and math.isfinite(z)
        total = _fma(x, y, z)
        if down and _zero_down(total, x * y, z):
            return real(-0.0)
        product = x * y
        low, low_error = two_sum(z, _fma(x, y, -product))
        high, high_error = two_sum(product, low)
        if single:
            result = real(total)
            return correct(result, (high - np.float64(result)) + (high_error + low_error), finite)
        return correct(real(total), ((high - total) + high_error) + low_error, finite)

    return fused


def _narrowed(mode: str, real: Any, unsigned: bool) -> Callable[..., Any]:
    """Convert a whole number, or a float64, to a real type."""
    correct = _corrector(mode, real)

    def from_signed(x: Any) -> Any:
        result = real(x)
        high, low = np.float64(x >> 11 << 11), np.float64(x & 2047)
        return correct(result, (high - np.float64(result)) + low, True)

    def from_unsigned(x: Any) -> Any:
        bits = np.uint64(x)
        result = real(bits)
        low = bits & np.uint64(2047)
        return correct(result, (np.float64(bits - low) - np.float64(result)) + np.float64(low), True)

    return from_unsigned if unsigned else from_signed


def _single_of(mode: str) -> Callable[..., Any]:
    correct = _corrector(mode, SINGLE)

    def narrow(x: Any) -> Any:
        result = np.float32(x)
        return correct(result, x - np.float64(result), math.isfinite(x))

    return narrow


def whole(mode: str, bits: int, unsigned: bool) -> Callable[..., Any]:
    """Convert a real number to a whole one: beyond the range is its end, and NaN is 0 (PTX, cvt)."""
    step: Any = {"rn": np.rint, "rz": np.trunc, "ru": np.ceil, "rd": np.floor}[mode]
    least, most = (0.0, 2.0**bits) if unsigned else (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1))
    kind = getattr(np, f"{'u' * unsigned}int{bits}")
    lowest, highest = kind(int(least)), kind(int(most) - 1)

    def convert(x: Any) -> Any:
        stepped = step(np.float64(x))
        if math.isnan(stepped):
            return kind(0)
        if stepped >= most:
            return highest
        return lowest if stepped <= least else kind(stepped)

    return convert


def rounded(name: str, real: Any, result: Any) -> Callable[..., Any]:
    """Return a function of libdevice whose name ends with a rounding mode: `_rn`, `_rz`, `_ru` or `_rd`.

    Args:
        name: The name, without `__nv_`.
        real: Type of the first argument.
        result: Type of the result.
    """
    stem, _, mode = name.rpartition("_")
    source, _, target = stem.partition("2")
    if target in ("int", "uint", "ll", "ull"):
        return whole(mode, 64 if target.endswith("ll") else 32, target.startswith("u"))
    if target:
        if source == "double":
            return _single_of(mode)
        if source == "uint":  # 32 bits, which an int64 holds
            widened = kernel_code(_narrowed(mode, result, False))
            return lambda x: widened(np.int64(np.uint32(x)))
        narrow = kernel_code(_narrowed(mode, result, source == "ull"))
        return lambda x: narrow(np.int64(x))
    if stem in ("fma", "fmaf"):
        return _fused(mode, real)
    return {
        "add": lambda: _sum(mode, real, 1),
        "sub": lambda: _sum(mode, real, -1),
        "mul": lambda: _product(mode, real),
        "div": lambda: _quotient(mode, real).py_func,
        "sqrt": lambda: _root(mode, real),
        "rcp": lambda: _reciprocal(_quotient(mode, real)),
    }[stem[1:]]()


def _reciprocal(divide: Any) -> Callable[..., Any]:
    return lambda x: divide(1.0, x)
