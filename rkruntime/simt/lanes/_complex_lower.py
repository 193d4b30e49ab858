"""Emitting expressions of complex numbers: as two vectors, and where numba makes an exception, lane by lane."""

# one signature for all expressions, and numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

import cmath
import sys
from typing import Any

from rkruntime.simt._numba import types
from rkruntime.simt.lanes import _complex as complexes
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._division_lower import DivisionLower
from rkruntime.simt.lanes._shapes import Shape, callee_of, operator_of
from rkruntime.simt.lanes._slots import Value

__all__ = ("ComplexLower",)

MENDS_INFINITIES = sys.version_info >= (3, 14)  # as numba does there, after CPython
PARTS = ("real", "imag")


class ComplexLower(DivisionLower):
    """Lowers what is done with complex numbers."""

    def _emit_binop(self, type_: Any, expr: Any) -> Value | None:
        signature = self.fndesc.calltypes[expr]
        if not all(isinstance(one, types.Complex) for one in signature.args):
            return super()._emit_binop(type_, expr)
        name = operator_of(expr)
        x, y = (
            self._pair(self._value(one.name), given)
            for one, given in zip((expr.lhs, expr.rhs), signature.args, strict=True)
        )
        if x is None or y is None:
            return None
        if name in ("eq", "ne"):
            return self._typed(signature, complexes.equal(self.builder, name, x, y))
        if name == "pow" and getattr(self.typeof(expr.rhs.name), "literal_value", None) == 2:
            name, y = "mul", x
        made = complexes.binary(self.builder, name, x, y)
        if made is None:
            return None
        odd = complexes.is_zero(self.builder, y) if name == "truediv" else None
        if MENDS_INFINITIES and name in ("mul", "truediv"):
            lost = complexes.is_lost(self.builder, made)
            odd = lost if odd is None else self.builder.or_(odd, lost)
        result = types.unliteral(signature.return_type)
        return self._of_numbers(result, made) if odd is None else self._unless_odd(result, expr, made, odd)

    _emit_inplace_binop = _emit_binop

    def _emit_unary(self, type_: Any, expr: Any) -> Value | None:
        signature = self.fndesc.calltypes[expr]
        result = types.unliteral(signature.return_type)
        pair = self._pair(self._value(expr.value.name), result) if isinstance(result, types.Complex) else None
        name = expr.fn.__name__
        if pair is None or name not in ("neg", "pos"):
            return super()._emit_unary(type_, expr)
        return self._of_numbers(result, pair if name == "pos" else [self.builder.fneg(one) for one in pair])

    def _emit_getattr(self, type_: Any, expr: Any) -> Value | None:
        value = self._value(expr.value.name)
        if isinstance(value.type, types.Complex) and isinstance(value.held, list) and expr.attr in PARTS:
            return self._copied(value.held[PARTS.index(expr.attr)], type_)
        return super()._emit_getattr(type_, expr)

    def _emit_call(self, type_: Any, expr: Any) -> Value | None:
        callee = callee_of(self.fndesc.typemap, expr.func)
        signature = self.fndesc.calltypes[expr]
        result = types.unliteral(signature.return_type)
        values = [self._value(one.name) for one in expr.args]
        makes = callee is complex or isinstance(callee, types.NumberClass)
        if isinstance(result, types.Complex) and makes and values and not expr.kws:
            return self._made(result, values)
        if callee is abs and len(values) == 1 and isinstance(values[0].type, types.Complex):
            pair = self._pair(values[0], values[0].type)
            assert pair is not None
            return Value(Shape.VARYING, result, vectors.hypotenuse(self.builder, *pair))
        if callee is cmath.exp and isinstance(values[0].type, types.Complex):
            pair = self._pair(values[0], result)
            assert pair is not None
            made, odd = complexes.exponential(self.builder, result.underlying_float, pair)
            return self._unless_odd(result, expr, made, odd)
        return super()._emit_call(type_, expr)

    def _made(self, result: Any, values: list[Value]) -> Value | None:
        """Return complex numbers of one number, or of two parts."""
        if len(values) == 1:
            pair = self._pair(values[0], result)
            return None if pair is None else self._of_numbers(result, pair)
        parts = [self._vector(one, result.underlying_float) for one in values]
        return None if None in parts else self._of_numbers(result, parts)
