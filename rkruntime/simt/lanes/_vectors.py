"""LLVM vectors of numba's numbers: casts, operators and functions on all lanes at once.

Each function returns None for what it has no vector form for; that is then done lane by lane, by numba's own lowering.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llvmlite import ir

from rkruntime.simt import _stubs
from rkruntime.simt._numba import types
from rkruntime.simt._shifts import SHIFTS, emit_shift

__all__ = (
    "all_lanes",
    "any_lane",
    "binary",
    "call",
    "cast",
    "compare",
    "first_lane",
    "fits_lane",
    "hypotenuse",
    "iota",
    "is_number",
    "magnitude",
    "opaque",
    "reduced",
    "splat",
    "unary",
)

BIT, INDEX, WORD = ir.IntType(1), ir.IntType(32), ir.IntType(64)
REALS = (types.float32, types.float64)
Emit = Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]


def is_number(type_: Any) -> bool:
    """Whether values of a type are kept as vectors."""
    return isinstance(type_, types.Integer | types.Boolean) or types.unliteral(type_) in REALS


def fits_lane(type_: Any) -> bool:
    """Whether values of a type are elements of vectors: numbers, and records, which are pointers."""
    return is_number(type_) or isinstance(type_, types.Record)


def splat(builder: ir.IRBuilder, value: ir.Value, width: int) -> ir.Value:
    """Return a vector with one number or pointer in every lane."""
    plain = isinstance(value, ir.Constant) and not isinstance(value.type, ir.PointerType)
    if plain and value.constant is not ir.Undefined:
        return ir.Constant(ir.VectorType(value.type, width), [value.constant] * width)
    vector = ir.VectorType(value.type, width)
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, INDEX(0))
    zeros = ir.Constant(ir.VectorType(INDEX, width), [0] * width)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), zeros)


def iota(type_: ir.IntType, width: int) -> ir.Constant:
    """Return 0, 1, 2, ..."""
    return ir.Constant(ir.VectorType(type_, width), list(range(width)))


def any_lane(builder: ir.IRBuilder, mask: ir.Value) -> ir.Value:
    """Return whether any bit of a mask is set."""
    bits = ir.IntType(mask.type.count)
    return builder.icmp_unsigned("!=", builder.bitcast(mask, bits), bits(0))


def all_lanes(builder: ir.IRBuilder, mask: ir.Value) -> ir.Value:
    """Return whether every bit of a mask is set."""
    bits = ir.IntType(mask.type.count)
    return builder.icmp_unsigned("==", builder.bitcast(mask, bits), bits(-1))


def first_lane(builder: ir.IRBuilder, mask: ir.Value) -> ir.Value:
    """Return the number of the first lane that is on, int32."""
    bits = ir.IntType(mask.type.count)
    place = builder.cttz(builder.bitcast(mask, bits), BIT(0))
    return builder.zext(place, INDEX) if bits.width < 32 else builder.trunc(place, INDEX) if bits.width > 32 else place


def opaque(builder: ir.IRBuilder, number: ir.Value) -> ir.Value:
    """Return the same integer as one that LLVM knows nothing of: some number, even where it was undefined."""
    kind = number.type
    return builder.asm(ir.FunctionType(kind, [kind]), "", "=r,0", [number], side_effect=False)


def reduced(builder: ir.IRBuilder, how: str, vector: ir.Value) -> ir.Value:
    """Return all lanes combined, by the operation of one of LLVM's `llvm.vector.reduce`; sums in any order."""
    element = vector.type.element
    real = not isinstance(element, ir.IntType)
    args = [ir.Constant(element, -0.0), vector] if real else [vector]
    bits = f"i{element.width}" if not real else "f32" if element == ir.FloatType() else "f64"
    name = f"llvm.vector.reduce.{how}.v{vector.type.count}{bits}"
    function = _declared(builder, name, element, [one.type for one in args])
    return builder.call(function, args, fastmath=("reassoc",) if real else ())


def cast(builder: ir.IRBuilder, value: ir.Value, given: Any, wanted: Any) -> ir.Value | None:
    """Convert a vector of one type of numbers to another, as numba converts one number."""
    given, wanted = types.unliteral(given), types.unliteral(wanted)
    if given == wanted:
        return value
    if not is_number(given) or not is_number(wanted):
        return None
    to = ir.VectorType(_llvm(wanted), value.type.count)
    signed = isinstance(given, types.Integer) and given.signed
    if isinstance(wanted, types.Boolean):
        zero = ir.Constant(value.type, None)
        return builder.fcmp_unordered("!=", value, zero) if given in REALS else builder.icmp_signed("!=", value, zero)
    if isinstance(wanted, types.Integer):
        if given in REALS:
            return builder.fptosi(value, to) if wanted.signed else builder.fptoui(value, to)
        if isinstance(given, types.Integer) and given.bitwidth == wanted.bitwidth:
            return value
        if isinstance(given, types.Integer) and given.bitwidth > wanted.bitwidth:
            return builder.trunc(value, to)
        return builder.sext(value, to) if signed else builder.zext(value, to)
    if given in REALS:
        return builder.fpext(value, to) if wanted == types.float64 else builder.fptrunc(value, to)
    return builder.sitofp(value, to) if signed else builder.uitofp(value, to)


def _llvm(type_: Any) -> ir.Type:
    if isinstance(type_, types.Boolean):
        return BIT
    if isinstance(type_, types.Integer):
        return ir.IntType(type_.bitwidth)
    return ir.FloatType() if type_ == types.float32 else ir.DoubleType()


_ARITHMETIC: Mapping[str, tuple[Emit | None, Emit | None]] = {  # of integers and of real numbers
    "add": (lambda b, x, y: b.add(x, y), lambda b, x, y: b.fadd(x, y)),
    "sub": (lambda b, x, y: b.sub(x, y), lambda b, x, y: b.fsub(x, y)),
    "mul": (lambda b, x, y: b.mul(x, y), lambda b, x, y: b.fmul(x, y)),
    "truediv": (None, lambda b, x, y: b.fdiv(x, y)),
    "and_": (lambda b, x, y: b.and_(x, y), None),
    "or_": (lambda b, x, y: b.or_(x, y), None),
    "xor": (lambda b, x, y: b.xor(x, y), None),
}
_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}


def binary(
    builder: ir.IRBuilder, name: str, signature: Any, left: tuple[Any, ir.Value], right: tuple[Any, ir.Value]
) -> ir.Value | None:
    """Apply an operator.

    Args:
        builder: Where to emit.
        name: The name of the function of `operator`.
        signature: Numba's signature of it.
        left: Type and vector.
        right: Likewise.
    """
    result = types.unliteral(signature.return_type)
    if name in _COMPARISONS:
        common = types.unliteral(signature.args[0])
        if common != types.unliteral(signature.args[1]) or not is_number(common):
            return None
        x, y = cast(builder, left[1], left[0], common), cast(builder, right[1], right[0], common)
        return None if x is None or y is None else compare(builder, name, common, x, y)
    if not is_number(result):
        return None
    x, y = cast(builder, left[1], left[0], result), cast(builder, right[1], right[0], result)
    if x is None or y is None:
        return None
    if name in ("lshift", "rshift") and isinstance(result, types.Integer):
        return emit_shift(builder, name, result.signed, x, y)
    if name in ("floordiv", "mod") and isinstance(result, types.Integer):
        return _divide(builder, name, result, x, y)
    if name == "pow" and result in REALS:
        return _intrinsic(builder, "pow", result, [x, y])
    emit = _ARITHMETIC.get(name, (None, None))[result in REALS]
    return emit(builder, x, y) if emit is not None else None


def compare(builder: ir.IRBuilder, name: str, type_: Any, x: ir.Value, y: ir.Value) -> ir.Value:
    """Compare two vectors of one type."""
    sign = _COMPARISONS[name]
    if type_ in REALS:
        return builder.fcmp_unordered(sign, x, y) if name == "ne" else builder.fcmp_ordered(sign, x, y)
    signed = isinstance(type_, types.Integer) and type_.signed
    return builder.icmp_signed(sign, x, y) if signed else builder.icmp_unsigned(sign, x, y)


def _divide(builder: ir.IRBuilder, name: str, type_: Any, x: ir.Value, y: ir.Value) -> ir.Value | None:
    """Divide by a constant other than 0 and -1, rounding down; other divisors may have to raise.

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
    are_small = all_lanes(builder, builder.icmp_unsigned("==", widen(halves, x.type), x))
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
    return builder.select(uneven, builder.sub(quotient, splat(builder, x.type.element(1), x.type.count)), quotient)


def unary(builder: ir.IRBuilder, name: str, signature: Any, given: Any, value: ir.Value) -> ir.Value | None:
    """Apply an operator of one operand."""
    result = types.unliteral(signature.return_type)
    if name == "not_":
        truth = cast(builder, value, given, types.boolean)
        return None if truth is None else builder.not_(truth)
    x = cast(builder, value, given, result)
    if x is None or isinstance(result, types.Boolean):
        return None
    if name == "neg":
        return builder.fneg(x) if result in REALS else builder.neg(x)
    if name == "pos":
        return x
    return builder.not_(x) if name == "invert" and isinstance(result, types.Integer) else None


_INTRINSICS = {
    math.sqrt: "sqrt",
    math.fabs: "fabs",
    math.exp: "exp",
    math.log: "log",
    math.sin: "sin",
    math.cos: "cos",
    math.log2: "log2",
    math.log10: "log10",
    abs: "fabs",
    _stubs.fma: "fma",
}


def call(builder: ir.IRBuilder, callee: Any, signature: Any, args: Sequence[tuple[Any, ir.Value]]) -> ir.Value | None:
    """Call a function of numbers on every lane."""
    result = types.unliteral(signature.return_type)
    if isinstance(callee, types.NumberClass) or callee in (int, float, bool):
        return cast(builder, args[0][1], args[0][0], result) if len(args) == 1 else None
    if callee in (min, max) and len(args) == 2:
        return _extreme(builder, callee, result, args)
    if callee is _stubs.selp:
        truth = cast(builder, args[0][1], args[0][0], types.boolean)
        values = [cast(builder, value, given, result) for given, value in args[1:]]
        return None if truth is None or None in values else builder.select(truth, *values)
    if not _is_hashable(callee):
        return None
    if callee in SHIFTS:
        return binary(builder, SHIFTS[callee], signature, *args)
    name = _INTRINSICS.get(callee)
    values = [cast(builder, value, given, result) for given, value in args]
    if result not in REALS or any(value is None for value in values):
        return None
    if callee is math.hypot:
        return hypotenuse(builder, *values)
    if name is None:
        return None
    return _intrinsic(builder, name, result, values)


def _intrinsic(builder: ir.IRBuilder, name: str, type_: Any, values: Sequence[Any]) -> ir.Value:
    vector = values[0].type
    suffix = f"v{vector.count}f{32 if type_ == types.float32 else 64}"
    function = _declared(builder, f"llvm.{name}.{suffix}", vector, [vector] * len(values))
    return builder.call(function, values)


def magnitude(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Return real numbers without their signs."""
    return _intrinsic(builder, "fabs", _real(value), [value])


def _real(value: ir.Value) -> Any:
    return types.float32 if value.type.element == ir.FloatType() else types.float64


def hypotenuse(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Return sqrt(x * x + y * y) without an overflow in between, within one unit in the last place.

    Real numbers of four bytes have room enough in those of eight. The latter are multiplied by a power of two before,
    which is exact, so that the larger lies between 1 and 4, or next to nothing.
    """
    x, y = magnitude(builder, x), magnitude(builder, y)
    if _real(x) == types.float32:
        wide = ir.VectorType(ir.DoubleType(), x.type.count)
        a, b = (builder.fpext(one, wide) for one in (x, y))
        found = builder.fptrunc(_root_of_squares(builder, a, b), x.type)
    else:
        down, up = _powers_of_two(builder, builder.select(builder.fcmp_ordered(">", x, y), x, y))
        found = builder.fmul(_root_of_squares(builder, builder.fmul(x, down), builder.fmul(y, down)), up)
    infinite = ir.Constant(x.type, [float("inf")] * x.type.count)
    either = builder.or_(*(builder.fcmp_ordered("==", one, infinite) for one in (x, y)))
    return builder.select(either, infinite, found)


def _root_of_squares(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    total = _intrinsic(builder, "fma", types.float64, [x, x, builder.fmul(y, y)])
    return _intrinsic(builder, "sqrt", types.float64, [total])


def _powers_of_two(builder: ir.IRBuilder, value: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return the powers of two that bring numbers of eight bytes to about 1, and back."""
    words = ir.VectorType(WORD, value.type.count)

    def filled(number: int) -> ir.Constant:
        return ir.Constant(words, [number] * words.count)

    exponent = builder.and_(builder.lshr(builder.bitcast(value, words), filled(52)), filled(0x7FF))
    exponent = builder.select(builder.icmp_unsigned("<", exponent, filled(1)), filled(1), exponent)
    exponent = builder.select(builder.icmp_unsigned(">", exponent, filled(2045)), filled(2045), exponent)
    down, up = builder.sub(filled(2046), exponent), exponent
    return tuple(builder.bitcast(builder.shl(one, filled(52)), value.type) for one in (down, up))


def _is_hashable(callee: Any) -> bool:
    return callable(callee) and getattr(type(callee), "__hash__", None) is not None


def _extreme(builder: ir.IRBuilder, callee: Any, result: Any, args: Sequence[tuple[Any, ir.Value]]) -> ir.Value | None:
    """As numba does: the second replaces the first only where it compares so."""
    x, y = (cast(builder, value, given, result) for given, value in args)
    if x is None or y is None:
        return None
    return builder.select(compare(builder, "lt" if callee is min else "gt", result, y, x), y, x)


def _declared(builder: ir.IRBuilder, name: str, result: ir.Type, args: Sequence[ir.Type]) -> ir.Function:
    known = builder.module.globals.get(name)
    return known if known is not None else ir.Function(builder.module, ir.FunctionType(result, args), name)
