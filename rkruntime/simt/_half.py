"""float16 for numba's CPU target, which has the type and nothing else; importing this registers it with numba."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def,untyped-decorator,attr-defined,no-any-return,unused-ignore"

from __future__ import annotations

from typing import Any

import numba.core.boxing
import numba.core.pythonapi
from llvmlite import ir
from numba.core import datamodel, types

from rkruntime.simt._short_floats import (
    BITS,
    DOUBLE,
    SINGLE,
    WORD,
    define_function,
    define_short,
    lower_constant,
    odd_single,
)

__all__ = ("to_single",)

HALF = types.float16


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


define_function(HALF, to_single, from_single, float, 1)  # of which numba-cuda says that it keeps the type
define_short(HALF, to_single, from_single)
lower_constant(HALF, lambda value: int.from_bytes(numba.np.numpy_support.np.float16(value).tobytes(), "little"))


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
    return numba.core.pythonapi.NativeValue(
        from_single(c.builder, odd_single(c.builder, found.value)), is_error=found.is_error
    )


_boxers[types.Float], _unboxers[types.Float] = _box, _unbox
