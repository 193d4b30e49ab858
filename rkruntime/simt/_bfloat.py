"""bfloat16 for numba's CPU target, which lacks it: the upper half of a float32.

Importing this registers it with numba, and arrays of it where `ml_dtypes` is installed.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def,untyped-decorator,attr-defined,no-any-return,unused-ignore"

from __future__ import annotations

import importlib.util
import struct
from typing import Any

import numba.np.numpy_support
import numpy as np
from llvmlite import ir
from numba.core import datamodel, types
from numba.cuda.types.ext_types import Bfloat16
from numba.extending import box

from rkruntime.simt import _half as _half  # casts go by way of it
from rkruntime.simt._short_floats import BITS, SINGLE, WORD, define_short, lower_constant

__all__ = ("BFLOAT",)

BFLOAT = Bfloat16()
NAN, INFINITY = 0x7FFF, 0x7F800000


@datamodel.register_default(Bfloat16)
class _BfloatModel(datamodel.models.PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, BITS)


def to_single(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Return the float32 of the same value."""
    return builder.bitcast(builder.shl(builder.zext(value, WORD), WORD(16)), SINGLE)


def from_single(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Return the nearest bfloat16, ties to even; one NaN for all, as the hardware does."""
    bits = builder.bitcast(value, WORD)
    odd = builder.and_(builder.lshr(bits, WORD(16)), WORD(1))
    rounded = builder.lshr(builder.add(builder.add(bits, WORD(0x7FFF)), odd), WORD(16))
    is_nan = builder.icmp_unsigned(">", builder.and_(bits, WORD(0x7FFFFFFF)), WORD(INFINITY))
    return builder.trunc(builder.select(is_nan, WORD(NAN), rounded), BITS)


define_short(BFLOAT, to_single, from_single)
lower_constant(Bfloat16, lambda value: struct.unpack("<H", np.asarray(value).tobytes())[0])


@box(Bfloat16)
def _box(kind, value, c):
    double = c.context.cast(c.builder, value, kind, types.float64)
    return c.pyapi.float_from_double(double)


if importlib.util.find_spec("ml_dtypes") is not None:
    import ml_dtypes

    _support: Any = numba.np.numpy_support
    _of_others, _others_can_cast = _support.as_dtype, _support.ufunc_can_cast
    _DTYPE = np.dtype(ml_dtypes.bfloat16)

    def _as_dtype(kind: Any) -> Any:
        """Return NumPy's type for a type of numba's, which asks when it is given arrays."""
        return _DTYPE if kind == BFLOAT else _of_others(kind)

    def _can_cast(given: str, wanted: str, *how: Any) -> bool:
        """Return whether a loop of a ufunc takes a type, by NumPy's letters for the two; none takes bfloat16."""
        return _DTYPE.char not in (given, wanted) and _others_can_cast(given, wanted, *how)

    _support.FROM_DTYPE[_DTYPE] = BFLOAT
    _support.as_dtype, _support.ufunc_can_cast = _as_dtype, _can_cast
