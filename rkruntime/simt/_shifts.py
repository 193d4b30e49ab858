"""Shifts of whole numbers as PTX does them: an amount is 32 bits without sign, and beyond the width nothing is left.

`shl` and `shr` of PTX take an amount of 32 bits, and more than the width counts as the width: a number is then 0, or as
many copies of its sign as it has bits. numba-cuda has an amount of 64 bits cut to that. Processors take the amount's
low 5 or 6 bits instead, and LLVM promises nothing.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core.errors import TypingError

from rkruntime.simt import _stubs
from rkruntime.simt._numba import intrinsic, overload, types
from rkruntime.simt._parts import INLINE

__all__ = ("FUNCTIONS", "SHIFTS", "emit_shift")

AMOUNT = 0xFFFF_FFFF
WHOLE = (types.Integer, types.Boolean)
NUMBERS = (*WHOLE, types.Float, types.Complex)


def left_shift(x, n): ...
def right_shift(x, n): ...


def emit_shift(builder: ir.IRBuilder, name: str, signed: bool, value: ir.Value, amount: ir.Value) -> ir.Value:
    """Shift a number, or a vector of them.

    Args:
        builder: Where to emit.
        name: `lshift` or `rshift`.
        signed: Whether the sign moves in from the left.
        value: What to shift.
        amount: By how much, of the same type.
    """
    kind = value.type

    def filled(number: int) -> ir.Constant:
        return ir.Constant(kind, [number] * kind.count if isinstance(kind, ir.VectorType) else number)

    width = (kind.element if isinstance(kind, ir.VectorType) else kind).width
    low = builder.and_(amount, filled(AMOUNT)) if width > AMOUNT.bit_length() else amount
    fits = builder.icmp_unsigned("<", low, filled(width))
    if name == "rshift" and signed:
        return builder.ashr(value, builder.select(fits, low, filled(width - 1)))
    moved = (builder.shl if name == "lshift" else builder.lshr)(value, low)
    return builder.select(fits, moved, filled(0))


def _define(stub: Any, name: str, typed_as: Any, otherwise: Any) -> None:
    """Give a function of ours its meaning.

    Args:
        stub: The function.
        name: `lshift` or `rshift`.
        typed_as: The function whose result type it has.
        otherwise: What it does with what are no whole numbers.
    """
    SHIFTS[stub] = name

    @intrinsic
    def shift(typing_context, x, n):
        found = typing_context.resolve_function_type(typed_as, (x, n), {})
        result = types.unliteral(found.return_type)

        def codegen(context, builder, signature, args):
            return emit_shift(builder, name, result.signed, *args)

        return result(result, result), codegen

    @overload(stub, jit_options=INLINE)
    def define(x, n):
        if not isinstance(x, NUMBERS) or not isinstance(n, NUMBERS):
            return otherwise
        if not isinstance(x, WHOLE) or not isinstance(n, WHOLE):
            raise TypingError(f"a shift takes whole numbers, not {x} and {n}")
        return lambda x, n: shift(x, n)


def _left_in_place(x, n):
    x <<= n
    return x


def _right_in_place(x, n):
    x >>= n
    return x


SHIFTS: dict[Any, str] = {}
"""What our functions do, by the name of the operator."""

_define(_stubs.shift_left, "lshift", operator.lshift, lambda x, n: x << n)
_define(_stubs.shift_right, "rshift", operator.rshift, lambda x, n: x >> n)
_define(_stubs.shift_left_in_place, "lshift", operator.ilshift, _left_in_place)
_define(_stubs.shift_right_in_place, "rshift", operator.irshift, _right_in_place)
_define(left_shift, "lshift", np.left_shift, lambda x, n: np.left_shift(x, n))
_define(right_shift, "rshift", np.right_shift, lambda x, n: np.right_shift(x, n))

# What stands in for what.
FUNCTIONS: Mapping[Any, Any] = {
    operator.lshift: _stubs.shift_left,
    operator.rshift: _stubs.shift_right,
    np.left_shift: left_shift,
    np.right_shift: right_shift,
}
