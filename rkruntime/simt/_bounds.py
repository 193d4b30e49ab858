"""Bounds of loops as compiled code computes them: the thread loop's from a kernel's guards, and strips of long loops.

A guard compares an index with a bound of any numeric type; here the bound becomes an int64 that excludes exactly the
same indices. Indices lie between 0 and 2**43, so clamping to that loses nothing and later sums cannot overflow.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core.errors import NumbaError
from numba.core.registry import cpu_target

from rkruntime.simt import _stubs
from rkruntime.simt._direct import emits
from rkruntime.simt._numba import overload, types
from rkruntime.simt._parts import INLINE
from rkruntime.simt._stubs import END_OF_INDICES, STRIP

__all__ = ("LONGEST", "LONG_STEP", "TOP")

WORD = ir.IntType(64)
TOP = END_OF_INDICES
LONG_STEP, LONGEST = 1 << 40, 1 << 62  # a loop with a longer step is one strip


def _clamped(builder: Any, type_: Any, bound: Any) -> Any:
    """Turn a whole number of any type into an int64 within the range of indices."""
    signed = getattr(type_, "signed", False)
    wide = bound if bound.type.width == 64 else (builder.sext if signed else builder.zext)(bound, WORD)
    compare = builder.icmp_signed if signed else builder.icmp_unsigned
    high = builder.select(compare("<", wide, WORD(TOP)), wide, WORD(TOP))
    return builder.select(builder.icmp_signed(">", high, WORD(-1)), high, WORD(-1))


def _define_side(stub: Any, *, lower: bool, strict: bool, denied: bool = False) -> None:
    """Define one kind of bound.

    Args:
        stub: What kernels call.
        lower: Whether it is the first index that passes, else the end of those that pass.
        strict: Whether the comparison is `<` or `>`.
        denied: Whether the kernel asks if the opposite is false, which is the same but for a NaN.
    """
    shift = 1 if lower == strict else 0
    none = TOP if lower != denied else 0  # a NaN lets no index pass; where the comparison is denied, every one

    @emits(stub, types.int64, types.Integer)
    @emits(stub, types.int64, types.Boolean)
    def emit(builder: Any, given: Any, values: Any) -> Any:
        return builder.add(_clamped(builder, given[0], values[0]), WORD(shift))

    @overload(stub, jit_options=INLINE)
    def define(bound):
        if not isinstance(bound, types.Float):
            return None

        def real(bound):
            if math.isnan(bound):
                return np.int64(none)
            whole = np.floor(bound) if shift else np.ceil(bound)
            return np.int64(max(min(whole, float(TOP)), -1.0)) + shift

        return real


_define_side(_stubs.at_least, lower=True, strict=False)
_define_side(_stubs.above, lower=True, strict=True)
_define_side(_stubs.below, lower=False, strict=True)
_define_side(_stubs.at_most, lower=False, strict=False)
_define_side(_stubs.not_below, lower=True, strict=False, denied=True)
_define_side(_stubs.not_at_most, lower=True, strict=True, denied=True)
_define_side(_stubs.not_at_least, lower=False, strict=True, denied=True)
_define_side(_stubs.not_above, lower=False, strict=False, denied=True)


@emits(_stubs.largest, types.int64, types.int64, types.int64)
def _largest(builder: Any, given: Any, values: Any) -> Any:
    return builder.select(builder.icmp_signed(">", *values), *values)


@emits(_stubs.smallest, types.int64, types.int64, types.int64)
def _smallest(builder: Any, given: Any, values: Any) -> Any:
    return builder.select(builder.icmp_signed("<", *values), *values)


# Strips of a long loop: the outer loop steps over them and looks whether the launch is cancelled; the inner one runs
# through a strip with the very type and step that the kernel's own range has, so that it vectorises as before.


def _counter(given: Any, start: Any, stop: Any, step: Any) -> Any:
    """Return the numba type that `range` counts in when it is given 1, 2 or 3 of these, or None if it takes none."""
    arguments = {1: (stop,), 2: (start, stop), 3: (start, stop, step)}[given.literal_value]
    context = cpu_target.typing_context
    try:
        signature = context.resolve_value_type(range).get_call_type(context, arguments, {})
    except NumbaError:
        return None
    return signature.return_type.dtype


NUMPY_TYPES = {types.int32: np.int32, types.int64: np.int64, types.uint64: np.uint64}


@overload(_stubs.counted, jit_options=INLINE)
def _counted(array, index):
    if not isinstance(array, types.Array) or not isinstance(index, types.Integer):
        return lambda array, index: index
    if index == types.int32:
        return lambda array, index: np.uint64(np.uint32(index))
    return lambda array, index: np.uint64(index)


def _span(step):
    """Distance from one strip to the next; kernels compile it."""


@overload(_span, jit_options=INLINE)
def _span_overload(step):
    if step.signed:
        return lambda step: np.int64(step) * STRIP if abs(step) <= LONG_STEP else (LONGEST if step > 0 else -LONGEST)
    return lambda step: step * np.uint64(STRIP) if step <= np.uint64(LONG_STEP) else np.uint64(LONGEST)


@overload(_stubs.strips, jit_options=INLINE, prefer_literal=True)
def _strips(given, start, stop, step):
    counter = _counter(given, start, stop, step)
    if counter is None:
        return None
    wide: Any = np.uint64 if counter == types.uint64 else np.int64
    return lambda given, start, stop, step: range(wide(start), wide(stop), _span(wide(step)))


@overload(_stubs.strip, jit_options=INLINE, prefer_literal=True)
def _strip(first, given, start, stop, step):
    counter = _counter(given, start, stop, step)
    narrow: Any = NUMPY_TYPES[counter]
    wide: Any = np.uint64 if counter == types.uint64 else np.int64

    def strip(first, given, start, stop, step):
        left, span = wide(stop) - first, _span(wide(step))
        is_last = left < span if step > 0 else left > span
        return range(narrow(first), narrow(first + (left if is_last else span)), narrow(step))

    return strip
