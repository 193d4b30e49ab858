"""Floats of sixteen bits for numba's CPU target, which computes with none: as float32, each operation rounded.

Sums, differences, products and quotients come out as if rounded once, since float32 has more than twice the digits
(S. A. Figueroa, "When is double rounding innocuous?", 1995).
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,untyped-decorator,attr-defined,no-any-return,unused-ignore"

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.imputils import Registry, RegistryLoader
from numba.core.registry import cpu_target
from numba.core.typing import mathdecl
from numba.core.typing.templates import ConcreteTemplate, builtin_registry, signature

__all__ = ("BITS", "DOUBLE", "SINGLE", "WORD", "define_function", "define_short", "lower_constant", "odd_single")

BITS, WORD, SINGLE, DOUBLE = ir.IntType(16), ir.IntType(32), ir.FloatType(), ir.DoubleType()
OPERATORS = (operator.add, operator.sub, operator.mul, operator.truediv)
COMPARISONS = (operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne)  # for `min` and `max`
IN_PLACE = (operator.iadd, operator.isub, operator.imul, operator.itruediv)
FUNCTIONS = (math.sin, math.cos, math.sqrt, math.log, math.log2, math.log10, math.exp, math.exp2, math.tanh, math.fabs)
WHOLE = (np.floor, np.ceil, np.trunc)  # which stand for those of `math` in kernels
# Of the CPU's own: numba's registry of builtins is numba-cuda's too, which makes other code for a GPU.
registry = Registry("floats of sixteen bits")
loader = RegistryLoader(registry)
Conversion = Callable[[ir.IRBuilder, ir.Value], ir.Value]


def lower_constant(kind: Any, bits_of: Callable[[Any], int]) -> None:
    """Give a type of sixteen bits its constants.

    Args:
        kind: The numba type.
        bits_of: Returns the bits of a value.
    """

    @registry.lower_constant(kind)
    def constant(context, builder, kind, value):
        return BITS(bits_of(value))

    _install()


def define_short(kind: Any, widen: Conversion, narrow: Conversion) -> None:
    """Give a type of sixteen bits its conversions, operators and functions.

    Args:
        kind: The numba type.
        widen: Makes a float32 of the bits.
        narrow: Makes the bits of the nearest of a float32, ties to even.
    """
    _define_casts(kind, widen, narrow)
    for key in (*OPERATORS, *IN_PLACE):
        define_function(kind, widen, narrow, key, 2)
    for function in (operator.neg, operator.pos, *FUNCTIONS, *WHOLE):
        define_function(kind, widen, narrow, function, 1)
    for key in COMPARISONS:
        _define_comparison(kind, widen, key)
    _install()


def _install() -> None:
    """Have numba's CPU target know what is new; not as a registry of its, to which it would add intrinsics."""
    context: Any = cpu_target.target_context
    context.insert_func_defn(loader.new_registrations("functions"))
    context._insert_cast_defn(loader.new_registrations("casts"))
    context._insert_get_constant_defn(loader.new_registrations("constants"))


def odd_single(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """Return a double as a float32, rounded to odd so that no tie arises that was none."""
    single = builder.fptrunc(value, SINGLE)
    bits, back = builder.bitcast(single, WORD), builder.fpext(single, DOUBLE)
    absolute = builder.module.declare_intrinsic("llvm.fabs", [DOUBLE])
    above = builder.fcmp_ordered(">", builder.call(absolute, [back]), builder.call(absolute, [value]))
    inexact = builder.fcmp_ordered("!=", back, value)
    toward_zero = builder.sub(bits, builder.zext(above, WORD))
    return builder.bitcast(builder.or_(toward_zero, builder.zext(inexact, WORD)), SINGLE)


def _define_casts(kind: Any, widen: Conversion, narrow: Conversion) -> None:
    @registry.lower_cast(types.Float, kind)
    @registry.lower_cast(types.Integer, kind)
    @registry.lower_cast(types.IntegerLiteral, kind)
    @registry.lower_cast(types.Boolean, kind)
    def into(context, builder, fromty, toty, value):
        if fromty == toty:
            return value
        if fromty == types.float32:
            return narrow(builder, value)
        double = context.cast(builder, _sticky(builder, fromty, value), fromty, types.float64)
        return narrow(builder, odd_single(builder, double))

    @registry.lower_cast(kind, types.Float)
    @registry.lower_cast(kind, types.Integer)
    @registry.lower_cast(kind, types.Boolean)
    @registry.lower_cast(kind, types.Complex)
    def out_of(context, builder, fromty, toty, value):
        if fromty == toty:
            return value
        return context.cast(builder, widen(builder, value), types.float32, toty)


def _sticky(builder: ir.IRBuilder, kind: Any, value: ir.Value) -> ir.Value:
    """Fold the lowest bits of a large integer into one, so that a double holds it and it rounds as it would."""
    if not isinstance(kind, types.Integer) or kind.bitwidth < 64:
        return value
    of = value.type
    low = builder.and_(value, of(0xFFF))
    folded = builder.sub(value, low)
    some = builder.icmp_unsigned("!=", low, of(0))
    folded = builder.or_(folded, builder.select(some, of(0x800), of(0)))
    high = builder.ashr(value, of(52)) if kind.signed else builder.lshr(value, of(52))
    small = builder.icmp_unsigned("==", high, of(0))
    if kind.signed:
        small = builder.or_(small, builder.icmp_unsigned("==", high, of(-1)))
    return builder.select(small, value, folded)


def define_function(kind: Any, widen: Conversion, narrow: Conversion, key: Any, count: int) -> None:
    """Let a function or operator prefer the type where all its arguments are, computed in float32 and rounded.

    Args:
        kind: The numba type.
        widen: Makes a float32 of the bits.
        narrow: Makes the bits of the nearest of a float32.
        key: The function.
        count: How many arguments it has.
    """

    def compute(context, builder, sig, args):
        single = types.float32
        function = context.get_function(key, signature(single, *[single] * count))
        return narrow(builder, function(builder, [widen(builder, arg) for arg in args]))

    registry.lower(key, *[kind] * count)(compute)
    case = signature(kind, *[kind] * count)
    known = [one for name, one in (*builtin_registry.globals, *mathdecl.registry.globals) if name is key]
    with_cases = [template for one in known for template in one.templates if getattr(template, "cases", None)]
    for template in with_cases:
        template.cases = [case, *template.cases]
    if not with_cases:
        made = type(f"Short_{key.__name__}", (_ExactTemplate,), {"key": key, "cases": [case]})
        builtin_registry.register(made)
        builtin_registry.register_global(key, types.Function(made))


def _define_comparison(kind: Any, widen: Conversion, key: Any) -> None:
    """Compare two numbers of the type, where code asks for that by their types: kernels compare them as float32."""

    def compare(context, builder, sig, args):
        function = context.get_function(key, signature(types.boolean, types.float32, types.float32))
        return function(builder, [widen(builder, arg) for arg in args])

    registry.lower(key, kind, kind)(compare)


class _ExactTemplate(ConcreteTemplate):
    """Takes the short type and no other, and is asked before those that are for every target."""

    exact_match_required = True
    metadata: ClassVar = {"target": "cpu"}  # type: ignore[misc]
