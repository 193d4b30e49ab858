"""Expressions for all lanes at once; what has no vector form gives None, and goes lane by lane."""

# one signature for all expressions, and numba types little of what it has us call:
# ruff: noqa: ARG002
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba.core import cgutils, ir
from numba.core.lowering import Lower

from rkruntime.simt._numba import types
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._memory import Elements
from rkruntime.simt.lanes._shapes import Shape, callee_of, is_uniform, operator_of
from rkruntime.simt.lanes._slots import Value
from rkruntime.simt.lanes._values import LaneValues

__all__ = ("VectorExpressions",)

INDEX = llvm.IntType(32)


class VectorExpressions(LaneValues):
    """Emits expressions whose operands differ among lanes."""

    def _emit_vector(self, type_: Any, value: Any) -> Value | None:
        """Return an expression's value for all lanes, or None where it goes lane by lane."""
        if isinstance(value, ir.Var):
            return self._copied(self._value(value.name), type_)
        if isinstance(value, ir.Const | ir.Global | ir.FreeVar):
            held = self.context.get_constant_generic(self.builder, type_, value.value)
            return self._copied(Value(Shape.UNIFORM, type_, held), type_)
        if not isinstance(value, ir.Expr):
            return None
        special = getattr(self, f"_emit_{value.op}", None)
        return special(type_, value) if special is not None else None

    def _copied(self, value: Value, type_: Any) -> Value | None:
        if isinstance(value.held, list) or (vectors.is_number(value.type) and vectors.is_number(type_)):
            return value
        return None

    def _emit_cast(self, type_: Any, expr: Any) -> Value | None:
        return self._copied(self._value(expr.value.name), type_)

    def _emit_binop(self, type_: Any, expr: Any) -> Value | None:
        signature = self.fndesc.calltypes[expr]
        left, right = self._spread(expr.lhs.name), self._spread(expr.rhs.name)
        if left is None or right is None:
            return None
        made = vectors.binary(self.builder, operator_of(expr), signature, left, right)
        return self._typed(signature, made)

    _emit_inplace_binop = _emit_binop

    def _emit_unary(self, type_: Any, expr: Any) -> Value | None:
        signature, given = self.fndesc.calltypes[expr], self._spread(expr.value.name)
        if given is None:
            return None
        return self._typed(signature, vectors.unary(self.builder, expr.fn.__name__, signature, *given))

    def _typed(self, signature: Any, held: llvm.Value | None) -> Value | None:
        return None if held is None else Value(Shape.VARYING, types.unliteral(signature.return_type), held)

    def _spread(self, name: str) -> tuple[Any, llvm.Value] | None:
        """Return a variable's type and vector, or None where it is no number."""
        value = self._value(name)
        held = self._vector(value, types.unliteral(value.type))
        return None if held is None else (types.unliteral(value.type), held)

    def _emit_call(self, type_: Any, expr: Any) -> Value | None:
        callee = callee_of(self.fndesc.typemap, expr.func)
        if expr.vararg is not None or expr.kws:
            return None
        if callee is range:
            return self._range(type_, expr)
        form = self.shapes.form_of(expr)
        if isinstance(form, tuple):
            return self._indices(type_, form, expr)
        signature = self.fndesc.calltypes[expr]
        spread = [self._spread(one.name) for one in expr.args]
        args = [one for one in spread if one is not None]
        if len(args) < len(spread) or not args or not vectors.is_number(signature.return_type):
            return None
        return self._typed(signature, vectors.call(self.builder, callee, signature, args))

    def _indices(self, type_: Any, form: Any, expr: Any) -> Value | None:
        """Return a tuple of a thread's indices: of its first lane, along with what each of them is."""
        if any(one is Shape.VARYING for one in form):
            return None
        with self._as_lane(INDEX(0)):
            made = Lower.lower_call(self, type_, expr)
        held = cgutils.unpack_tuple(self.builder, made, len(form))
        return Value(form, type_, [Value(*one) for one in zip(form, type_, held, strict=True)])

    # Tuples

    def _emit_build_tuple(self, type_: Any, expr: Any) -> Value | None:
        items = [self._value(item.name) for item in expr.items]
        return Value(tuple(item.form for item in items), type_, items)

    def _emit_exhaust_iter(self, type_: Any, expr: Any) -> Value | None:
        value = self._value(expr.value.name)
        return value if isinstance(value.held, list) else None

    def _emit_static_getitem(self, type_: Any, expr: Any) -> Value | None:
        value = self._value(expr.value.name)
        if isinstance(value.held, list) and isinstance(expr.index, int):
            return self._copied(value.held[expr.index], type_)
        return None

    def _emit_getattr(self, type_: Any, expr: Any) -> Value | None:
        value = self._value(expr.value.name)
        if isinstance(value.held, list) and isinstance(value.type, types.BaseNamedTuple):
            return self._copied(value.held[value.type.fields.index(expr.attr)], type_)
        return None

    # Ranges

    def _range(self, type_: Any, expr: Any) -> Value:
        given = [self._value(one.name) for one in expr.args]
        zero, one = (Value(Shape.UNIFORM, type_.dtype, self.context.get_constant(type_.dtype, k)) for k in (0, 1))
        held = {1: [zero, *given, one], 2: [*given, one], 3: given}[len(given)]
        return Value(tuple(part.form for part in held), type_, held)

    def _emit_getiter(self, type_: Any, expr: Any) -> Value | None:
        return self._value(expr.value.name)

    def _emit_iternext(self, type_: Any, expr: Any) -> Value | None:
        """Give what an iterator is at and whether that is within the range, and move it on for lanes that are on."""
        slot, builder = self._slot(expr.value.name), self.builder
        if not slot.parts:
            return None
        now, stop, step = slot.load(builder).held
        wide = now.type
        at, end, by = (self._as_vector(one, wide) for one in (now, stop, step))
        lower, upper = (vectors.compare(builder, name, wide, at, end) for name in ("lt", "gt"))
        valid = builder.select(builder.icmp_signed(">", by, llvm.Constant(by.type, None)), lower, upper)
        cursor = slot.parts[0]
        if cursor.form is Shape.VARYING:
            cursor.store(builder, builder.add(at, by), self._mask)
        else:
            cursor.store(builder, builder.add(now.held, step.held), None)
        item = Value(now.form, wide, now.held)
        return Value((item.form, Shape.VARYING), type_, [item, Value(Shape.VARYING, types.boolean, valid)])

    def _emit_pair_first(self, type_: Any, expr: Any) -> Value | None:
        return self._part(expr, 0)

    def _emit_pair_second(self, type_: Any, expr: Any) -> Value | None:
        return self._part(expr, 1)

    def _part(self, expr: Any, k: int) -> Value | None:
        held = self._value(expr.value.name).held
        return held[k] if isinstance(held, list) else None

    # Arrays

    def _elements(self, array: Any, index: Any) -> Elements | None:
        """Return which elements a subscript means, or None where it means something else."""
        array_type = self.typeof(array.name)
        if not is_uniform(self.shapes.form(array.name)):
            return None
        value = self._value(index.name)
        if isinstance(value.held, list):
            indices = value.held
        elif isinstance(value.type, types.BaseTuple):
            indices = [
                Value(Shape.UNIFORM, one, self.builder.extract_value(value.held, k)) for k, one in enumerate(value.type)
            ]
        else:
            indices = [value]
        indices = [_unliteral(one) for one in indices]
        if not Elements.takes(array_type, [one.type for one in indices]):
            return None
        return Elements(self.context, self.builder, array_type, super().loadvar(array.name), indices, self.width)

    def _wide(self, value: Value) -> llvm.Value:
        return self._as_vector(value, types.int64)

    def _as_vector(self, value: Value, type_: Any) -> llvm.Value:
        held = self._vector(value, type_)
        assert held is not None, f"{value.type} is a number"
        return held

    def _emit_getitem(self, type_: Any, expr: Any) -> Value | None:
        if all(is_uniform(self.shapes.form(one.name)) for one in (expr.value, expr.index)):
            with self._as_lane(self._first_lane()):
                held = Lower.lower_expr(self, type_, expr)
            return self._copied(Value(Shape.UNIFORM, type_, held), type_)
        elements = self._elements(expr.value, expr.index)
        if elements is None:
            return None
        dtype = elements.array_type.dtype
        if not elements.are_neighbours:
            return Value(Shape.VARYING, dtype, elements.gather(elements.places(self._wide), self._mask))
        room = cgutils.alloca_once(self.builder, llvm.VectorType(self.context.get_value_type(dtype), self.width))
        with self.builder.if_else(elements.packed(), likely=True) as (packed, apart):
            with packed:
                self.builder.store(elements.load_packed(self._mask), room)
            with apart:
                self.builder.store(elements.gather(elements.places(self._wide), self._mask), room)
        return Value(Shape.VARYING, dtype, self.builder.load(room))

    def _store(self, inst: Any) -> bool:
        """Store to elements of an array; false where it goes lane by lane, or is the same for all."""
        if is_uniform(self.shapes.form(inst.index.name)):
            return False
        elements = self._elements(inst.target, inst.index)
        if elements is None:
            return False
        value = self._vector(self._value(inst.value.name), elements.array_type.dtype)
        if value is None:
            return False
        if not elements.are_neighbours:
            elements.scatter(value, elements.places(self._wide), self._mask)
            return True
        with self.builder.if_else(elements.packed(), likely=True) as (packed, apart):
            with packed:
                elements.store_packed(value, self._mask)
            with apart:
                elements.scatter(value, elements.places(self._wide), self._mask)
        return True


def _unliteral(value: Value) -> Value:
    """Return a value whose type forgets that it is a literal."""
    return Value(value.form, types.unliteral(value.type), value.held)
