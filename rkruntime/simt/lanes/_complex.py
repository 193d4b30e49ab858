"""Complex numbers of all lanes, as two vectors: real and imaginary parts.

The formulas are numba's own, which are CPython's, so that each part comes out the same.
"""

# llvmlite types little of what it gives:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from rkruntime.simt.lanes import _vectors as vectors

__all__ = ("Pair", "binary", "equal", "exponential", "is_lost", "is_zero", "joined", "parted")

Pair = tuple[ir.Value, ir.Value]


def joined(context: Any, builder: ir.IRBuilder, type_: Any, parts: Any) -> ir.Value:
    """Return one complex number, as numba has it, of its parts."""
    made = context.make_complex(builder, type_)
    made.real, made.imag = parts
    return made._getvalue()


def parted(context: Any, builder: ir.IRBuilder, type_: Any, value: ir.Value) -> Pair:
    """Return the parts of one complex number."""
    made = context.make_complex(builder, type_, value=value)
    return made.real, made.imag


def binary(builder: ir.IRBuilder, name: str, x: Pair, y: Pair) -> Pair | None:
    """Apply one of the four operators; None for others. What is divided by zero is none."""
    if name == "truediv":
        return _divided(builder, x, y)
    (a, b), (c, d) = x, y
    if name == "add":
        return builder.fadd(a, c), builder.fadd(b, d)
    if name == "sub":
        return builder.fsub(a, c), builder.fsub(b, d)
    if name == "mul":
        real = builder.fsub(builder.fmul(a, c), builder.fmul(b, d))
        return real, builder.fadd(builder.fmul(a, d), builder.fmul(b, c))
    return None


def _divided(builder: ir.IRBuilder, x: Pair, y: Pair) -> Pair:
    """Divide by the larger part of the divisor first."""
    (a, b), (c, d) = x, y
    by_real = builder.fcmp_ordered(">=", vectors.magnitude(builder, c), vectors.magnitude(builder, d))
    large, small = builder.select(by_real, c, d), builder.select(by_real, d, c)
    ratio = builder.fdiv(small, large)
    whole = builder.fadd(large, builder.fmul(small, ratio))
    first, second = builder.select(by_real, a, b), builder.select(by_real, b, a)
    real = builder.fadd(first, builder.fmul(second, ratio))
    lifted = builder.fsub(second, builder.fmul(first, ratio))
    lowered = builder.fsub(builder.fmul(first, ratio), second)
    return builder.fdiv(real, whole), builder.fdiv(builder.select(by_real, lifted, lowered), whole)


def exponential(builder: ir.IRBuilder, part: Any, x: Pair) -> tuple[Pair, ir.Value]:
    """Return the exponential function of complex numbers, and the mask of those for which it is none.

    Args:
        builder: Where to emit.
        part: Numba's type of the parts.
        x: The numbers.
    """
    size, sine, cosine = (
        vectors.call(builder, function, part(part), [(part, value)])
        for function, value in ((math.exp, x[0]), (math.sin, x[1]), (math.cos, x[1]))
    )
    differences = (builder.fsub(one, one) for one in x)
    odd = builder.fcmp_unordered("!=", *differences)
    return (builder.fmul(size, cosine), builder.fmul(size, sine)), odd


def is_zero(builder: ir.IRBuilder, x: Pair) -> ir.Value:
    """Return the mask of zeros."""
    return equal(builder, "eq", x, (ir.Constant(x[0].type, None),) * 2)


def is_lost(builder: ir.IRBuilder, x: Pair) -> ir.Value:
    """Return the mask of those of which no part is a number."""
    return builder.and_(*(builder.fcmp_unordered("uno", one, one) for one in x))


def equal(builder: ir.IRBuilder, name: str, x: Pair, y: Pair) -> ir.Value:
    """Return the mask of those that are equal, or with `ne` are not."""
    if name == "eq":
        return builder.and_(*(builder.fcmp_ordered("==", one, other) for one, other in zip(x, y, strict=True)))
    return builder.or_(*(builder.fcmp_unordered("!=", one, other) for one, other in zip(x, y, strict=True)))
