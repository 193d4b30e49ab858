"""LLVM vectors of numba's numbers: casts, operators and functions on all lanes at once.

Each function returns None for what it has no vector form for; that is then done lane by lane, by numba's own lowering.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from llvmlite import ir

from rkruntime.simt import _stubs
from rkruntime.simt._numba import types
from rkruntime.simt._shifts import SHIFTS, emit_shift
from rkruntime.simt._svml import FUNCTIONS
from rkruntime.simt.lanes._vector_math import vector_math

__all__ = (
    "all_lanes",
    "any_lane",
    "binary",
    "call",
    "cast",
    "compare",
    "each_lane",
    "first_lane",
    "fits_lane",
    "hypotenuse",
    "intrinsic",
    "iota",
    "is_number",
    "magnitude",
    "opaque",
    "real",
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
    return _as_index(builder, builder.cttz(builder.bitcast(mask, bits), BIT(0)))


@contextmanager
def each_lane(builder: ir.IRBuilder, mask: ir.Value) -> Iterator[ir.Value]:
    """Go through the numbers of the lanes that are on, int32."""
    bits = builder.bitcast(mask, ir.IntType(mask.type.count))
    start, top = builder.block, builder.append_basic_block("bit")
    body, done = builder.append_basic_block("lane"), builder.append_basic_block("lanes_done")
    builder.branch(top)
    builder.position_at_end(top)
    left = builder.phi(bits.type)
    left.add_incoming(bits, start)
    builder.cbranch(builder.icmp_unsigned("!=", left, bits.type(0)), body, done)
    builder.position_at_end(body)
    yield _as_index(builder, builder.cttz(left, BIT(1)))
    left.add_incoming(builder.and_(left, builder.sub(left, bits.type(1))), builder.block)
    builder.branch(top)
    builder.position_at_end(done)


def _as_index(builder: ir.IRBuilder, number: ir.Value) -> ir.Value:
    width = number.type.width
    return builder.zext(number, INDEX) if width < 32 else builder.trunc(number, INDEX) if width > 32 else number


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
    if name == "pow" and result in REALS:
        return vector_math(builder, "pow", result, [x, y]) or intrinsic(builder, "pow", result, [x, y])
    emit = _ARITHMETIC.get(name, (None, None))[result in REALS]
    return emit(builder, x, y) if emit is not None else None


def compare(builder: ir.IRBuilder, name: str, type_: Any, x: ir.Value, y: ir.Value) -> ir.Value:
    """Compare two vectors of one type."""
    sign = _COMPARISONS[name]
    if type_ in REALS:
        return builder.fcmp_unordered(sign, x, y) if name == "ne" else builder.fcmp_ordered(sign, x, y)
    signed = isinstance(type_, types.Integer) and type_.signed
    return builder.icmp_signed(sign, x, y) if signed else builder.icmp_unsigned(sign, x, y)


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


_NAMED = ("sqrt", "fabs", "exp", "log", "sin", "cos", "log2", "log10", "copysign")
_ROUNDING = ("floor", "ceil", "trunc", "rint")  # those of `math` stand for these in kernels
_INTRINSICS = {
    **{getattr(math, name): name for name in _NAMED},
    **{getattr(np, name): name for name in (*_NAMED, *_ROUNDING)},
    abs: "fabs",
    np.absolute: "fabs",
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
    if callee in _QUESTIONS or callee in _OF_BITS:
        return _of_one(builder, callee, result, *args[0])
    name = _INTRINSICS.get(callee)
    values = [cast(builder, value, given, result) for given, value in args]
    if any(value is None for value in values):
        return None
    if callee in (abs, np.absolute) and isinstance(result, types.Integer):
        return _size(builder, result, values[0])
    if result not in REALS:
        return None
    if callee is math.hypot:
        return hypotenuse(builder, *values)
    made = vector_math(builder, FUNCTIONS[callee], result, values) if callee in FUNCTIONS else None
    if made is not None or name is None:
        return made
    return intrinsic(builder, name, result, values)


def _size(builder: ir.IRBuilder, type_: Any, x: Any) -> ir.Value:
    """Return whole numbers without their signs."""
    return builder.select(compare(builder, "lt", type_, x, ir.Constant(x.type, None)), builder.neg(x), x)


_QUESTIONS: Mapping[Any, Emit] = {  # of a real number, and infinity
    math.isnan: lambda b, x, _: b.fcmp_unordered("uno", x, x),
    math.isinf: lambda b, x, most: b.fcmp_ordered("==", magnitude(b, x), most),
    math.isfinite: lambda b, x, most: b.fcmp_ordered("<", magnitude(b, x), most),
}
_OF_BITS = {
    _stubs.popc: "ctpop",
    _stubs.clz: "ctlz",
    _stubs.ffs: "cttz",
    _stubs.brev: "bitreverse",
}


def _of_one(builder: ir.IRBuilder, callee: Any, result: Any, given: Any, value: ir.Value) -> ir.Value | None:
    """Ask what real numbers are, or look at the bits of whole ones."""
    if given in REALS and callee in _QUESTIONS:
        return _QUESTIONS[callee](builder, value, ir.Constant(value.type, [float("inf")] * value.type.count))
    if not isinstance(given, types.Integer) or callee in _QUESTIONS:
        return None
    if callee is _stubs.brev:
        value = cast(builder, value, given, result)
    vector, zero = value.type, ir.Constant(value.type, None)
    name = f"llvm.{_OF_BITS[callee]}.v{vector.count}i{vector.element.width}"
    more = [] if _OF_BITS[callee] in ("ctpop", "bitreverse") else [BIT(0)]
    function = _declared(builder, name, vector, [vector, *(one.type for one in more)])
    found = builder.call(function, [value, *more])
    if callee is _stubs.ffs:
        after = builder.add(found, ir.Constant(vector, [1] * vector.count))
        found = builder.select(builder.icmp_unsigned("==", value, zero), zero, after)
    unsigned = types.Integer.from_bitwidth(vector.element.width, signed=False)
    return cast(builder, found, unsigned, result)


def intrinsic(builder: ir.IRBuilder, name: str, type_: Any, values: Sequence[Any]) -> ir.Value:
    """Call one of LLVM's functions of real numbers."""
    vector = values[0].type
    suffix = f"v{vector.count}f{32 if type_ == types.float32 else 64}"
    function = _declared(builder, f"llvm.{name}.{suffix}", vector, [vector] * len(values))
    return builder.call(function, values)


def magnitude(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Return real numbers without their signs."""
    return intrinsic(builder, "fabs", real(value), [value])


def real(value: ir.Value) -> Any:
    """Return numba's type of the real numbers of a vector."""
    return types.float32 if value.type.element == ir.FloatType() else types.float64


def hypotenuse(builder: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    """Return sqrt(x * x + y * y) without an overflow in between, within one unit in the last place.

    Real numbers of four bytes have room enough in those of eight. The latter are multiplied by a power of two before,
    which is exact, so that the larger lies between 1 and 4, or next to nothing.
    """
    x, y = magnitude(builder, x), magnitude(builder, y)
    if real(x) == types.float32:
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
    total = intrinsic(builder, "fma", types.float64, [x, x, builder.fmul(y, y)])
    return intrinsic(builder, "sqrt", types.float64, [total])


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
