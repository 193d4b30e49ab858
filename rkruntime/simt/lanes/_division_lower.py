"""Emitting divisions that round down: as vectors, and where a lane's numbers are odd, lane by lane."""

# one signature for all expressions, and numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba.core.lowering import Lower

from rkruntime.simt._numba import types
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._division import Divided, divide, divide_by_constant, divide_reals
from rkruntime.simt.lanes._expressions import VectorExpressions
from rkruntime.simt.lanes._shapes import Shape, callee_of, operator_of, varying
from rkruntime.simt.lanes._slots import Slot, Value

__all__ = ("DivisionLower",)


class DivisionLower(VectorExpressions):
    """Lowers `//`, `%` and `divmod`."""

    def _emit_binop(self, type_: Any, expr: Any) -> Value | None:
        name, signature = operator_of(expr), self.fndesc.calltypes[expr]
        result = types.unliteral(signature.return_type)
        if name not in ("floordiv", "mod") or not vectors.is_number(result):
            return super()._emit_binop(type_, expr)
        left, right = self._spread(expr.lhs.name), self._spread(expr.rhs.name)
        if left is None or right is None:
            return None
        if isinstance(result, types.Integer):
            x, y = (vectors.cast(self.builder, held, given, result) for given, held in (left, right))
            by_constant = divide_by_constant(self.builder, name, result, x, y)
            if by_constant is not None:
                return self._typed(signature, by_constant)
        made = self._floor_divided(result, left, right)
        if made is None:
            return None
        return self._unless_odd(result, expr, made.quotient if name == "floordiv" else made.remainder, made.odd)

    _emit_inplace_binop = _emit_binop

    def _emit_call(self, type_: Any, expr: Any) -> Value | None:
        if callee_of(self.fndesc.typemap, expr.func) is not divmod or len(expr.args) != 2 or expr.kws:
            return super()._emit_call(type_, expr)
        result = self.fndesc.calltypes[expr].return_type
        left, right = (self._spread(one.name) for one in expr.args)
        if left is None or right is None:
            return None
        made = self._floor_divided(result.dtype, left, right)
        return None if made is None else self._unless_odd(result, expr, [made.quotient, made.remainder], made.odd)

    def _floor_divided(self, result: Any, left: tuple[Any, Any], right: tuple[Any, Any]) -> Divided | None:
        """Divide two numbers of all lanes; None for other types."""
        if isinstance(result, types.Integer):
            whole = all(isinstance(given, types.Integer | types.Boolean) for given, _ in (left, right))
            return divide(self.builder, result, left, right) if whole else None
        if result not in vectors.REALS:
            return None
        x, y = (vectors.cast(self.builder, held, given, result) for given, held in (left, right))
        return None if x is None or y is None else divide_reals(self.builder, x, y)

    def _unless_odd(self, type_: Any, expr: Any, made: Any, odd: llvm.Value) -> Value:
        """Return what was computed; where a lane that is on is odd, all compute by numba's own lowering instead."""
        builder = self.builder
        form = (Shape.VARYING,) * 2 if isinstance(type_, types.BaseTuple) else varying(type_)
        room = Slot(self.context, builder, type_, form, self.width, "made")
        room.store(builder, made, None)
        odd = odd if self._mask is None else builder.and_(odd, self._mask)
        with builder.if_then(vectors.any_lane(builder, odd), likely=False):
            self._for_each_lane(lambda lane: self._store_lane(room, lane, Lower.lower_expr(self, type_, expr)))
        return room.load(builder)
