"""float16 for numba's CPU target, which has the type and nothing else: sixteen bits, computed with as float32.

Sums, differences, products and quotients of two are rounded to float16 each, as on CUDA; float32 has enough digits for
the second rounding to change nothing (S. A. Figueroa, "When is double rounding innocuous?", 1995). Importing this
registers it with numba.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,untyped-decorator,attr-defined,no-any-return,unused-ignore"

from __future__ import annotations

import math
import operator
from typing import Any

import numba.core.boxing
import numba.core.pythonapi
from llvmlite import ir
from numba.core import datamodel, types
from numba.core.imputils import lower_builtin, lower_cast, lower_constant
from numba.core.typing import mathdecl
from numba.core.typing.templates import builtin_registry, signature

__all__ = ("from_double", "to_single")

HALF = types.float16
BITS, WORD, SINGLE, DOUBLE = ir.IntType(16), ir.IntType(32), ir.FloatType(), ir.DoubleType()


@datamodel.register_default(types.Float)
class FloatModel(datamodel.models.PrimitiveModel):
    """float32 and float64 as numba has them, and float16 as its bits."""

    def __init__(self, dmm, fe_type):
        kinds = {types.float32: SINGLE, types.float64: DOUBLE, HALF: BITS}
        if fe_type not in kinds:
            raise NotImplementedError(fe_type)
        super().__init__(dmm, fe_type, kinds[fe_type])


def to_single(builder: ir.IRBuilder, half: ir.Value) -> ir.Value:
    """Return the float32 of the same value: the bits moved, and the exponent's bias mended by a product."""
    wide = builder.zext(half, WORD)
    magnitude = builder.shl(builder.and_(wide, WORD(0x7FFF)), WORD(13))
    scaled = builder.fmul(builder.bitcast(magnitude, SINGLE), SINGLE(2.0**112))
    special = builder.bitcast(builder.or_(magnitude, WORD(0x7F800000)), SINGLE)
    found = builder.select(builder.icmp_unsigned(">=", magnitude, WORD(0x0F800000)), special, scaled)
    sign = builder.shl(builder.and_(wide, WORD(0x8000)), WORD(16))
    return builder.bitcast(builder.or_(builder.bitcast(found, WORD), sign), SINGLE)


def from_single(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Return the nearest float16, ties to even."""
    bits = builder.bitcast(value, WORD)
    magnitude = builder.and_(bits, WORD(0x7FFFFFFF))
    odd = builder.and_(builder.lshr(magnitude, WORD(13)), WORD(1))
    rounded = builder.lshr(builder.add(builder.add(magnitude, WORD(0xFFF)), odd), WORD(13))
    normal = builder.sub(rounded, WORD(112 << 10))
    # Adding 0.5 leaves a number below the smallest normal one, in units of 2**-24, in the lowest bits, and rounds it.
    shifted = builder.fadd(builder.bitcast(magnitude, SINGLE), SINGLE(0.5))
    small = builder.sub(builder.bitcast(shifted, WORD), WORD(0x3F000000))
    finite = builder.select(builder.icmp_unsigned("<", magnitude, WORD(0x38800000)), small, normal)
    at_most = builder.select(builder.icmp_unsigned(">=", magnitude, WORD(0x477FF000)), WORD(0x7C00), finite)
    found = builder.select(builder.icmp_unsigned(">", magnitude, WORD(0x7F800000)), WORD(0x7E00), at_most)
    sign = builder.and_(builder.lshr(bits, WORD(16)), WORD(0x8000))
    return builder.trunc(builder.or_(found, sign), BITS)


def from_double(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Return the nearest float16: by way of float32, rounded to odd so that no tie arises that was none."""
    single = builder.fptrunc(value, SINGLE)
    bits, back = builder.bitcast(single, WORD), builder.fpext(single, DOUBLE)
    absolute = builder.module.declare_intrinsic("llvm.fabs", [DOUBLE])
    above = builder.fcmp_ordered(">", builder.call(absolute, [back]), builder.call(absolute, [value]))
    inexact = builder.fcmp_ordered("!=", back, value)
    toward_zero = builder.sub(bits, builder.zext(above, WORD))
    odd = builder.or_(toward_zero, builder.zext(inexact, WORD))
    return from_single(builder, builder.bitcast(odd, SINGLE))


def _through(kind: Any) -> Any:
    """Return the type by way of which a number becomes a float16, or a float16 the number."""
    return types.float32 if kind == types.float32 else types.float64


@lower_cast(types.Float, HALF)
@lower_cast(types.Integer, HALF)
@lower_cast(types.Boolean, HALF)
def _into_half(context, builder, fromty, toty, value):
    if fromty == HALF:
        return value
    middle = _through(fromty)
    value = context.cast(builder, value, fromty, middle)
    return (from_single if middle == types.float32 else from_double)(builder, value)


@lower_cast(HALF, types.Float)
@lower_cast(HALF, types.Integer)
@lower_cast(HALF, types.Boolean)
@lower_cast(HALF, types.Complex)
def _out_of_half(context, builder, fromty, toty, value):
    if toty == HALF:
        return value
    return context.cast(builder, to_single(builder, value), types.float32, toty)


@lower_constant(HALF)
def _constant(context, builder, kind, value):
    return BITS(int.from_bytes(numba.np.numpy_support.np.float16(value).tobytes(), "little"))


def _computed(key: Any, count: int) -> None:
    """Compute a function of float16 in float32, and round."""

    def compute(context, builder, sig, args):
        single = types.float32
        function = context.get_function(key, signature(single, *[single] * count))
        return from_single(builder, function(builder, [to_single(builder, arg) for arg in args]))

    lower_builtin(key, *[HALF] * count)(compute)


def _define(key: Any, count: int) -> None:
    """Let a function or operator prefer float16 where all its arguments are, and say how it is computed."""
    for known, kind in (*builtin_registry.globals, *mathdecl.registry.globals):
        if known is key:
            for template in kind.templates:
                if getattr(template, "cases", None):
                    template.cases = [signature(HALF, *[HALF] * count), *template.cases]
    _computed(key, count)


for _operator in (operator.add, operator.sub, operator.mul, operator.truediv):
    _define(_operator, 2)
for _operator in (operator.iadd, operator.isub, operator.imul, operator.itruediv):
    _define(_operator, 2)
for _function in (operator.neg, math.sin, math.cos, math.sqrt, math.log, math.log2, math.log10, math.exp, math.fabs):
    _define(_function, 1)


_boxers: Any = numba.core.pythonapi._boxers.functions
_unboxers: Any = numba.core.pythonapi._unboxers.functions
_box_number, _unbox_number = _boxers[types.Float], _unboxers[types.Float]


def _box(kind, value, c):
    """Box a float16 as a Python float."""
    if kind != HALF:
        return _box_number(kind, value, c)
    return _box_number(types.float32, to_single(c.builder, value), c)


def _unbox(kind, value, c):
    """Unbox a float16, which numba does not."""
    if kind != HALF:
        return _unbox_number(kind, value, c)
    found = _unbox_number(types.float64, value, c)
    return numba.core.pythonapi.NativeValue(from_double(c.builder, found.value), is_error=found.is_error)


_boxers[types.Float], _unboxers[types.Float] = _box, _unbox
