"""Floor division and its remainder on vectors, as Python and numba have them.

Processors divide no vectors of whole numbers. What is below 2**50 is divided as numbers of float64, whose products with
whole quotients are exact there. Which lanes are odd is told as well: those are left to numba's own lowering, which
raises where Python does.
"""

# llvmlite types little of what it gives:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

import attrs
from llvmlite import ir

from rkruntime.simt._numba import types
from rkruntime.simt.lanes import _vectors as vectors

__all__ = ("Divided", "divide", "divide_by_constant", "divide_reals")

WORD, DOUBLE = ir.IntType(64), ir.DoubleType()
MOST = 2**50
SHIFTED = 2.0**52 + 2.0**51  # added to whole numbers below that, it leaves them in the low bits of a float64
SHIFTED_BITS = 0x4338000000000000
DIGITS = {ir.FloatType(): 24, ir.DoubleType(): 53}
EXACT = ("contract",)  # numba gives a kernel's fastmath to what has no flags; nothing here changes by contraction


@attrs.frozen
class Divided:
    """What divisions gave.

    Args:
        quotient: A vector.
        remainder: Likewise.
        odd: The lanes whose numbers are neither: a mask.
    """

    quotient: ir.Value
    remainder: ir.Value
    odd: ir.Value


# Real numbers


def divide_reals(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> Divided:
    """Divide as `float_divmod` of CPython does, step by step; numba does the same with one number.

    `fmod` is exact, and so is this one: where the quotient has no more digits than a number, it is the whole number
    below or the one above, and what is left of `x` then fits a number.
    """
    zero = ir.Constant(x.type, [0.0] * x.type.count)
    type_, size_x, size_y = vectors.real(x), vectors.magnitude(builder, x), vectors.magnitude(builder, y)
    whole = vectors.intrinsic(builder, "trunc", type_, [builder.fdiv(size_x, size_y, flags=EXACT)])
    left = vectors.intrinsic(builder, "fma", type_, [builder.fneg(whole), size_y, size_x])
    left = builder.select(builder.fcmp_ordered("<", left, zero, flags=EXACT), builder.fadd(left, size_y, EXACT), left)
    left = vectors.intrinsic(builder, "copysign", type_, [left, x])
    odd = [
        builder.fcmp_ordered(">=", whole, _filled(x, 2.0 ** DIGITS[x.type.element]), flags=EXACT),
        builder.fcmp_ordered("==", size_y, _filled(x, float("inf")), flags=EXACT),
        builder.fcmp_ordered("==", y, zero, flags=EXACT),
    ]
    quotient, remainder = _rounded_down(builder, x, y, left)
    return Divided(quotient, remainder, builder.or_(builder.or_(odd[0], odd[1]), odd[2]))


def _rounded_down(builder: ir.IRBuilder, x: ir.Value, y: ir.Value, left: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return the quotient and the remainder, given that of division towards zero."""
    type_, zero, one = vectors.real(x), _filled(x, 0.0), _filled(x, 1.0)
    below = builder.fcmp_ordered("<", y, zero, flags=EXACT)
    differ = builder.xor(below, builder.fcmp_ordered("<", left, zero, flags=EXACT))
    some = builder.fcmp_unordered("!=", left, zero, flags=EXACT)
    down = builder.and_(some, differ)
    ratio = builder.fdiv(builder.fsub(x, left, flags=EXACT), y, flags=EXACT)
    ratio = builder.select(down, builder.fsub(ratio, one, flags=EXACT), ratio)
    nothing = vectors.intrinsic(builder, "copysign", type_, [zero, y])
    remainder = builder.select(some, builder.select(down, builder.fadd(left, y, EXACT), left), nothing)
    whole = vectors.intrinsic(builder, "floor", type_, [ratio])
    far = builder.fcmp_ordered(">", builder.fsub(ratio, whole, flags=EXACT), _filled(x, 0.5), flags=EXACT)
    whole = builder.select(far, builder.fadd(whole, one, EXACT), whole)
    # A quotient of 0 has the sign of the division; one that is none stays as it is.
    signs = builder.xor(*(builder.bitcast(each, _words(x)) for each in (x, y)))
    zeros = vectors.intrinsic(builder, "copysign", type_, [ratio, builder.bitcast(signs, x.type)])
    return builder.select(builder.fcmp_ordered("!=", ratio, zero, flags=EXACT), whole, zeros), remainder


def _words(reals: ir.Value) -> ir.VectorType:
    return ir.VectorType(ir.IntType(32 if reals.type.element == ir.FloatType() else 64), reals.type.count)


# Whole numbers


def divide(builder: ir.IRBuilder, result: Any, left: tuple[Any, ir.Value], right: tuple[Any, ir.Value]) -> Divided:
    """Divide whole numbers.

    Args:
        builder: Where to emit.
        result: Numba's type of the result.
        left: Type and vector.
        right: Likewise.
    """
    (x, x_odd), (y, y_odd) = (_as_reals(builder, result, *one) for one in (left, right))
    zero = _filled(x, 0.0)
    quotient = vectors.intrinsic(builder, "floor", types.float64, [builder.fdiv(x, y, flags=EXACT)])
    rest = builder.fsub(x, builder.fmul(quotient, y, flags=EXACT), flags=EXACT)
    # Rounded to a whole number, the quotient is one too large.
    over = builder.fcmp_ordered("<", builder.fmul(rest, y, flags=EXACT), zero, flags=EXACT)
    quotient = builder.select(over, builder.fsub(quotient, _filled(x, 1.0), flags=EXACT), quotient)
    rest = builder.select(over, builder.fadd(rest, y, EXACT), rest)
    odd = builder.fcmp_ordered("==", y, zero, flags=EXACT)
    for one in (x_odd, y_odd):
        odd = odd if one is None else builder.or_(odd, one)
    wanted = ir.VectorType(ir.IntType(result.bitwidth), x.type.count)
    return Divided(_as_whole(builder, quotient, wanted), _as_whole(builder, rest, wanted), odd)


def _as_reals(builder: ir.IRBuilder, result: Any, given: Any, value: ir.Value) -> tuple[ir.Value, ir.Value | None]:
    """Return whole numbers as float64, and a mask of those that are too large, if any may be."""
    reals = ir.VectorType(DOUBLE, value.type.count)
    is_signed = isinstance(given, types.Integer) and given.signed
    if value.type.element.width <= 32 and (result.signed or not is_signed):
        return (builder.sitofp if is_signed else builder.uitofp)(value, reals), None
    whole = vectors.cast(builder, value, given, types.int64 if result.signed else types.uint64)
    assert whole is not None
    from_least = builder.add(whole, _filled(whole, MOST)) if result.signed else whole
    odd = builder.icmp_unsigned(">=", from_least, _filled(whole, 2 * MOST if result.signed else MOST))
    bits = builder.add(whole, _filled(whole, SHIFTED_BITS))
    return builder.fsub(builder.bitcast(bits, reals), _filled_reals(reals, SHIFTED), flags=EXACT), odd


def _as_whole(builder: ir.IRBuilder, reals: ir.Value, wanted: ir.VectorType) -> ir.Value:
    words = ir.VectorType(WORD, reals.type.count)
    bits = builder.bitcast(builder.fadd(reals, _filled_reals(reals.type, SHIFTED), EXACT), words)
    whole = builder.sub(bits, ir.Constant(words, [SHIFTED_BITS] * words.count))
    return whole if wanted.element.width == WORD.width else builder.trunc(whole, wanted)


def _filled(like: ir.Value, number: Any) -> ir.Constant:
    return ir.Constant(like.type, [number] * like.type.count)


def _filled_reals(type_: ir.VectorType, number: float) -> ir.Constant:
    return ir.Constant(type_, [number] * type_.count)


def divide_by_constant(builder: ir.IRBuilder, name: str, type_: Any, x: ir.Value, y: ir.Value) -> ir.Value | None:
    """Return `floordiv` or `mod` by a constant other than 0 and -1; None for other divisors.

    No processor has the upper half of a product of 64 bits for vectors, so that LLVM divides lane by lane. Numbers of
    64 bits are Python's, and small as a rule: where those of all lanes are, they are divided as numbers of 32 bits.
    """
    if not isinstance(y, ir.Constant) or not isinstance(y.constant, list):
        return None
    divisor, signed = y.constant[0].constant, type_.signed
    if not isinstance(divisor, int) or divisor in (0, -1):
        return None
    is_shift = divisor > 0 and divisor & (divisor - 1) == 0
    if type_.bitwidth < 64 or is_shift or not (-(2**31) if signed else 0) <= divisor < 2**31:
        return _divide_by(builder, name, x, y, signed=signed)
    small = ir.VectorType(ir.IntType(32), x.type.count)
    halves = builder.trunc(x, small)
    widen = builder.sext if signed else builder.zext
    are_small = vectors.all_lanes(builder, builder.icmp_unsigned("==", widen(halves, x.type), x))
    with builder.if_else(are_small, likely=True) as (short, long):
        with short:
            by = ir.Constant(small, [divisor] * small.count)
            one, one_from = widen(_divide_by(builder, name, halves, by, signed=signed), x.type), builder.block
        with long:
            other, other_from = _divide_by(builder, name, x, y, signed=signed), builder.block
    made = builder.phi(x.type)
    made.add_incoming(one, one_from)
    made.add_incoming(other, other_from)
    return made


def _divide_by(builder: ir.IRBuilder, name: str, x: ir.Value, y: ir.Value, *, signed: bool) -> ir.Value:
    if not signed:
        return builder.udiv(x, y) if name == "floordiv" else builder.urem(x, y)
    zero = ir.Constant(x.type, None)
    rest = builder.srem(x, y)
    differs = builder.icmp_signed("<", builder.xor(y, rest), zero)
    uneven = builder.and_(builder.icmp_signed("!=", rest, zero), differs)
    if name == "mod":
        return builder.select(uneven, builder.add(rest, y), rest)
    quotient = builder.sdiv(x, y)
    return builder.select(uneven, builder.sub(quotient, _filled(x, 1)), quotient)
