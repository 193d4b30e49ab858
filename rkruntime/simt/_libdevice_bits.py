"""Functions of libdevice on whole numbers and on the bits of real ones."""

# numba passes parameters whether they are of use or not, and types little of what it compiles:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="untyped-decorator,no-untyped-call,no-any-return,unused-ignore"

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rkruntime.simt._libm import llvm_function, typed
from rkruntime.simt._numba import njit, types

__all__ = ("FUNCTIONS",)

INT, LONG, SHORT = types.int32, types.int64, types.int16
UINT, ULONG = types.uint32, types.uint64
SINGLE, DOUBLE = types.float32, types.float64


def _reinterpreted(result: Any, given: Any) -> Any:
    """Make the function that takes the same bits for another type."""
    return typed(
        lambda context, builder, signature, args: builder.bitcast(args[0], context.get_value_type(result)),
        result,
        given,
    )


_long_of = _reinterpreted(LONG, DOUBLE)
_double_of = _reinterpreted(DOUBLE, LONG)
_int_of = _reinterpreted(INT, SINGLE)
_single_of = _reinterpreted(SINGLE, INT)
_popc, _popcll = llvm_function("llvm.ctpop", INT, INT), llvm_function("llvm.ctpop", LONG, LONG)
_brev, _brevll = llvm_function("llvm.bitreverse", INT, INT), llvm_function("llvm.bitreverse", LONG, LONG)


def _wide_product(result: Any, given: Any, signed: bool) -> Any:
    """Make the function that returns the upper half of a product."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        from llvmlite import ir

        wide = ir.IntType(2 * given.bitwidth)
        one, other = (builder.sext(arg, wide) if signed else builder.zext(arg, wide) for arg in args)
        upper = builder.lshr(builder.mul(one, other), ir.Constant(wide, given.bitwidth))
        return builder.trunc(upper, context.get_value_type(result))

    return typed(codegen, result, given, given)


_mulhi, _mul64hi = _wide_product(INT, INT, True), _wide_product(LONG, LONG, True)
_umulhi, _umul64hi = _wide_product(UINT, UINT, False), _wide_product(ULONG, ULONG, False)


def _clz(x: Any) -> Any:
    count, bits = 32, np.uint32(x)
    while bits != 0:
        bits >>= np.uint32(1)
        count -= 1
    return count


def _clzll(x: Any) -> Any:
    count, bits = 64, np.uint64(x)
    while bits != 0:
        bits >>= np.uint64(1)
        count -= 1
    return count


_leading = typed(
    lambda context, builder, signature, args: builder.ctlz(args[0], context.get_constant(types.boolean, False)),
    LONG,
    ULONG,
)


@njit(nogil=True)
def _lowest(bits: Any) -> Any:
    """Return the place of the lowest set bit, from 1; 0 where there is none."""
    return 0 if bits == 0 else 64 - _leading(bits & (~bits + np.uint64(1)))


def _byte_perm(x: Any, y: Any, selector: Any) -> Any:
    """Pick four of eight bytes by the low three bits of each nibble (CUDA math API, __byte_perm)."""
    both = np.uint64(np.uint32(y)) << np.uint64(32) | np.uint64(np.uint32(x))
    found = np.uint64(0)
    for k in range(4):
        nibble = np.uint64(np.uint32(selector)) >> np.uint64(4 * k) & np.uint64(7)
        found |= (both >> (nibble * np.uint64(8)) & np.uint64(255)) << np.uint64(8 * k)
    return np.int32(found)


def _mul24(x: Any, y: Any) -> Any:
    """Multiply the low 24 bits, taken as signed numbers."""
    return np.int64(np.int32(x << 8) >> 8) * np.int64(np.int32(y << 8) >> 8)


def _double2hiint(x: Any) -> Any:
    return _long_of(x) >> 32


def _double2loint(x: Any) -> Any:
    return _long_of(x) & 0xFFFFFFFF


def _hiloint2double(high: Any, low: Any) -> Any:
    return _double_of(np.int64(high) << 32 | np.int64(np.uint32(low)))


def _half2float(bits: Any) -> Any:
    """Take 16 bits for a half-precision number."""
    h = np.int64(bits) & 0xFFFF
    sign, exponent, fraction = -1.0 if h >> 15 else 1.0, h >> 10 & 31, h & 1023
    if exponent == 31:
        return sign * (np.inf if fraction == 0 else np.nan)
    if exponent == 0:
        return sign * fraction * 2.0**-24
    return sign * (1024 + fraction) * 2.0 ** (exponent - 25)


def _float2half_rn(x: Any) -> Any:
    """Return the bits of the nearest half-precision number, ties to even."""
    bits = np.int64(np.uint32(_int_of(x)))
    sign, magnitude = bits >> 16 & 0x8000, bits & 0x7FFFFFFF
    if magnitude > 0x7F800000:
        return np.int16(np.uint16(0x7FFF))
    if magnitude >= 0x477FF000:
        return np.int16(np.uint16(sign | 0x7C00))
    if magnitude < 0x38800000:  # below the smallest normal number: count 2**-24s
        return np.int16(np.uint16(sign | np.int64(np.rint(abs(np.float64(x)) * 2.0**24))))
    rounded = magnitude + 0xFFF + (magnitude >> 13 & 1)
    return np.int16(np.uint16(sign | (rounded >> 13) - (112 << 10)))


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": lambda x: x if x >= 0 else -x,
    "llabs": lambda x: x if x >= 0 else -x,
    "brev": lambda x: _brev(x),
    "brevll": lambda x: _brevll(x),
    "byte_perm": _byte_perm,
    "clz": _clz,
    "clzll": _clzll,
    "ffs": lambda x: _lowest(np.uint64(np.uint32(x))),
    "ffsll": lambda x: _lowest(np.uint64(x)),
    "popc": lambda x: _popc(x),
    "popcll": lambda x: _popcll(x),
    "hadd": lambda x, y: (np.int64(x) + np.int64(y)) >> 1,
    "rhadd": lambda x, y: (np.int64(x) + np.int64(y) + 1) >> 1,
    "uhadd": lambda x, y: np.int32((np.int64(np.uint32(x)) + np.int64(np.uint32(y))) >> 1),
    "urhadd": lambda x, y: np.int32((np.int64(np.uint32(x)) + np.int64(np.uint32(y)) + 1) >> 1),
    "max": lambda x, y: max(x, y),
    "min": lambda x, y: min(x, y),
    "llmax": lambda x, y: max(x, y),
    "llmin": lambda x, y: min(x, y),
    "umax": lambda x, y: max(np.uint32(x), np.uint32(y)),
    "umin": lambda x, y: min(np.uint32(x), np.uint32(y)),
    "ullmax": lambda x, y: max(np.uint64(x), np.uint64(y)),
    "ullmin": lambda x, y: min(np.uint64(x), np.uint64(y)),
    "mul24": _mul24,
    "umul24": lambda x, y: np.int64(x & 0xFFFFFF) * np.int64(y & 0xFFFFFF),
    "mulhi": lambda x, y: _mulhi(x, y),
    "mul64hi": lambda x, y: _mul64hi(x, y),
    "umulhi": lambda x, y: _umulhi(x, y),
    "umul64hi": lambda x, y: _umul64hi(x, y),
    "sad": lambda x, y, z: abs(np.int64(x) - np.int64(y)) + z,
    "usad": lambda x, y, z: abs(np.int64(np.uint32(x)) - np.int64(np.uint32(y))) + np.int64(z),
    "double2hiint": _double2hiint,
    "double2loint": _double2loint,
    "hiloint2double": _hiloint2double,
    "double_as_longlong": lambda x: _long_of(x),
    "longlong_as_double": lambda x: _double_of(x),
    "float_as_int": lambda x: _int_of(x),
    "int_as_float": lambda x: _single_of(x),
    "half2float": _half2float,
    "float2half_rn": _float2half_rn,
    "signbitd": lambda x: 1 if _long_of(x) < 0 else 0,
    "signbitf": lambda x: 1 if _int_of(x) < 0 else 0,
}
