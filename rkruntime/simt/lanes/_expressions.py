"""Expressions for all lanes at once; what has no vector form gives None, and goes lane by lane."""

# one signature for all expressions, and numba types little of what it has us call:
# ruff: noqa: ARG002
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba.core import cgutils, ir
from numba.core.lowering import Lower

from rkruntime.simt._bounds import LONG_STEP, LONGEST
from rkruntime.simt._numba import types
from rkruntime.simt._registers import has_masks
from rkruntime.simt._stubs import STRIP
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._atomics import Update, combinable, emit_combined, emit_one_by_one, takes
from rkruntime.simt.lanes._memory import ComplexElements, Elements
from rkruntime.simt.lanes._ramps import MIRRORED, compare_ramp
from rkruntime.simt.lanes._shapes import EFFECTS, STRIPS, Shape, callee_of, is_uniform, operator_of, varying
from rkruntime.simt.lanes._shared import block_array
from rkruntime.simt.lanes._slots import Slot, Value
from rkruntime.simt.lanes._spots import Spots
from rkruntime.simt.lanes._values import LaneValues

__all__ = ("VectorExpressions",)

INDEX = llvm.IntType(32)
RANGE = ("start", "stop", "step")
TURNS_AHEAD = 4  # memory answers in some 100 ns, a turn of a short loop takes 25


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
        if isinstance(value.held, list) or (Spots.takes(value.type) and Spots.takes(type_)):
            return value
        return value if isinstance(type_, types.Record) and value.type == type_ else None

    def _emit_cast(self, type_: Any, expr: Any) -> Value | None:
        return self._copied(self._value(expr.value.name), type_)

    def _emit_binop(self, type_: Any, expr: Any) -> Value | None:
        signature = self.fndesc.calltypes[expr]
        of_ramp = self._compared_ramp(expr, signature)
        if of_ramp is not None:
            return self._typed(signature, of_ramp)
        left, right = self._spread(expr.lhs.name), self._spread(expr.rhs.name)
        if left is None or right is None:
            return None
        made = vectors.binary(self.builder, operator_of(expr), signature, left, right)
        return self._typed(signature, made)

    _emit_inplace_binop = _emit_binop

    def _compared_ramp(self, expr: Any, signature: Any) -> llvm.Value | None:
        """Return the mask of a comparison of a ramp with what is the same for all; None for other expressions."""
        name, values = operator_of(expr), [self._value(one.name) for one in (expr.lhs, expr.rhs)]
        if name not in MIRRORED or not all(_is_signed(one) for one in (*signature.args, *(v.type for v in values))):
            return None
        left, right = values
        if left.form is not Shape.RAMP:
            name, left, right = MIRRORED[name], right, left
        if left.form is not Shape.RAMP or not is_uniform(right.form):
            return None
        base, bound = (self.context.cast(self.builder, one.held, one.type, types.int64) for one in (left, right))
        return compare_ramp(self.builder, name, base, bound, self.width)

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
        if callee in EFFECTS:
            return self._emit_atomic(type_, expr, callee)
        form = self.shapes.form_of(expr)
        if callee in STRIPS and isinstance(form, tuple):
            return self._strips(type_, form, expr)
        if isinstance(form, tuple):
            return self._indices(type_, form, expr)
        signature = self.fndesc.calltypes[expr]
        spread = [self._spread(one.name) for one in expr.args]
        args = [one for one in spread if one is not None]
        if len(args) < len(spread) or not args or not vectors.is_number(signature.return_type):
            return None
        return self._typed(signature, vectors.call(self.builder, callee, signature, args))

    def _emit_atomic(self, type_: Any, expr: Any, callee: Any) -> Value | None:
        array, index, *operands = expr.args
        if len(operands) != 1 or not is_uniform(self.shapes.form(array.name)):
            return None
        elements = self._elements(array, index)
        if elements is None or not (elements.array_type.aligned and takes(callee, elements.array_type.dtype)):
            return None
        dtype = elements.array_type.dtype
        operand = self._value(operands[0].name)
        values = self._vector(operand, dtype)
        if values is None:
            return None
        update = Update(callee, dtype, self._is_alone(array.name))
        used = self.shapes.is_used(self._target)
        if not used and combinable(update) and all(is_uniform(one.form) for one in elements.indices):
            emit_combined(self.builder, update, elements.first(), values, self._mask)
            return Value(Shape.VARYING, dtype, llvm.Constant(values.type, llvm.Undefined))
        places = elements.places_by_lane(self._wide)
        if is_uniform(operand.form):
            values = self.context.cast(self.builder, operand.held, operand.type, dtype)
        olds = emit_one_by_one(self.builder, update, places, values, self._mask, wants_old=used)
        return Value(Shape.VARYING, dtype, olds)

    def _is_alone(self, name: str) -> Any:
        """Return whether no other worker sees an array's memory, as a bit where the kernel finds out when it runs."""
        origin = self._origins.get(name)
        if origin is block_array:
            return True
        return self._has_copy(origin - 1) if isinstance(origin, int) and origin - 1 in self.private else False

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

    def _strips(self, type_: Any, form: Any, expr: Any) -> Value:
        """Return the range of a strip of a long loop: as numba computes it for the first lane, and the end for all."""
        with self._as_lane(INDEX(0)):
            made = self.context.make_helper(self.builder, type_, Lower.lower_call(self, type_, expr))
        held = [Value(one, type_.dtype, getattr(made, part)) for one, part in zip(form, RANGE, strict=True)]
        if form[0] is Shape.VARYING:
            held[0] = self._value(expr.args[1 if len(expr.args) == 4 else 0].name)
        if form[1] is Shape.VARYING:
            held[1] = self._ends(type_, expr) if len(expr.args) == 5 else self._value(expr.args[2].name)
        return Value(form, type_, held)

    def _ends(self, type_: Any, expr: Any) -> Value:
        """Return where each lane's strip ends: `first + min(stop - first, span)`, as in `_bounds`."""
        builder, step = self.builder, self._wide(self._value(expr.args[4].name))
        first, stop = (self._wide(self._value(expr.args[k].name)) for k in (0, 3))
        long = builder.icmp_signed(">", _absolute(builder, step), _filled(step, LONG_STEP))
        span = builder.select(long, _filled(step, LONGEST), builder.mul(step, _filled(step, STRIP)))
        up = builder.icmp_signed(">", step, _filled(step, 0))
        span = builder.select(builder.and_(long, builder.not_(up)), _filled(step, -LONGEST), span)
        left = builder.sub(stop, first)
        ahead = builder.select(builder.icmp_signed("<", left, span), left, span)
        behind = builder.select(builder.icmp_signed(">", left, span), left, span)
        ends = builder.add(first, builder.select(up, ahead, behind))
        held = vectors.cast(builder, ends, types.int64, type_.dtype)
        return Value(Shape.VARYING, type_.dtype, held)

    def _emit_getiter(self, type_: Any, expr: Any) -> Value | None:
        return self._value(expr.value.name)

    def _emit_iternext(self, type_: Any, expr: Any) -> Value | None:
        """Give what an iterator is at and whether that is within the range, and move it on for lanes that are on."""
        slot, builder = self._slot(expr.value.name), self.builder
        if not slot.parts:
            return None
        now, stop, step = slot.load(builder).held
        wide = now.type
        valid = self._in_range(now, stop, step)
        cursor = slot.parts[0]
        if cursor.form is Shape.VARYING:
            at, by = self._as_vector(now, wide), self._as_vector(step, wide)
            cursor.store(builder, builder.add(at, by), self._mask)
        else:
            cursor.store(builder, builder.add(now.held, step.held), None)
        item = Value(now.form, wide, now.held)
        return Value((item.form, Shape.VARYING), type_, [item, Value(Shape.VARYING, types.boolean, valid)])

    def _in_range(self, now: Value, stop: Value, step: Value) -> llvm.Value:
        """Return the mask of the lanes whose iterator is not at its end."""
        builder, wide = self.builder, now.type
        if now.form is Shape.RAMP and is_uniform(stop.form) and wide == types.int64:
            up = builder.icmp_signed(">", step.held, llvm.Constant(step.held.type, 0))
            below, above = (compare_ramp(builder, name, now.held, stop.held, self.width) for name in ("lt", "gt"))
            return builder.select(up, below, above)
        if now.form is Shape.RAMP and is_uniform(step.form) and wide == types.int64:
            return self._all_or_each(now, stop, step)
        return self._each_in_range(now, stop, step)

    def _all_or_each(self, now: Value, stop: Value, step: Value) -> llvm.Value:
        """Return the same where each lane has an end of its own: all are mostly before the first of these.

        Lanes that are off may hold anything, which is not to decide where to go.
        """
        builder, ends = self.builder, self._as_vector(stop, types.int64)
        nearest = vectors.opaque(builder, vectors.reduced(builder, "smin", ends))
        few = builder.icmp_signed("<", now.held, llvm.Constant(now.held.type, LONGEST))
        last = builder.add(now.held, llvm.Constant(now.held.type, self.width - 1))
        up = builder.icmp_signed(">", step.held, llvm.Constant(step.held.type, 0))
        sure = builder.and_(builder.and_(up, few), builder.icmp_signed("<", last, nearest))
        before = builder.block
        with builder.if_then(builder.not_(sure)):
            each = self._each_in_range(now, stop, step)
            after = builder.block
        found = builder.phi(each.type)
        found.add_incoming(llvm.Constant(each.type, [1] * self.width), before)
        found.add_incoming(each, after)
        return found

    def _each_in_range(self, now: Value, stop: Value, step: Value) -> llvm.Value:
        builder, wide = self.builder, now.type
        at, end, by = (self._as_vector(one, wide) for one in (now, stop, step))
        below, above = (vectors.compare(builder, name, wide, at, end) for name in ("lt", "gt"))
        return builder.select(builder.icmp_signed(">", by, llvm.Constant(by.type, None)), below, above)

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
        indices = self._index_values(index)
        if not Elements.takes(array_type, [one.type for one in indices]):
            return None
        kind = ComplexElements if isinstance(array_type.dtype, types.Complex) else Elements
        return kind(self.context, self.builder, array_type, super().loadvar(array.name), indices, self.width)

    def _index_values(self, index: Any) -> list[Value]:
        """Return the numbers of a subscript, one for each dimension."""
        value = self._value(index.name)
        if isinstance(value.held, list):
            indices = value.held
        elif isinstance(value.type, types.BaseTuple):
            indices = [
                Value(Shape.UNIFORM, one, self.builder.extract_value(value.held, k)) for k, one in enumerate(value.type)
            ]
        else:
            indices = [value]
        return [_unliteral(one) for one in indices]

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
        if isinstance(dtype, types.Record):
            return self._records_at(dtype, elements.places(self._wide))
        if not elements.are_neighbours:
            return self._of_numbers(dtype, elements.spots(self._wide).load(self._mask))
        room = Slot(self.context, self.builder, dtype, varying(dtype), self.width, "loaded")
        with self.builder.if_else(elements.packed(self._mask), likely=True) as (packed, apart):
            with packed:
                self._ask_ahead(elements, expr.index.name)
                mask = None if self._blends(elements, expr.value.name) else self._mask
                room.store(self.builder, elements.load_packed(mask), None)
            with apart:
                room.store(self.builder, elements.spots(self._wide).load(self._mask), None)
        return room.load(self.builder)

    def _ask_ahead(self, elements: Elements, index: str) -> None:
        """Ask for what later turns of a loop load: of strides as long as a grid, no processor guesses the next.

        Args:
            elements: Neighbours.
            index: The variable that subscripts them.
        """
        iterator = self._counters.get(index)
        if iterator is None or not (slot := self._slot(iterator)).parts or not is_uniform(slot.parts[2].form):
            return
        step = self.builder.load(slot.parts[2].pointer)
        wide = self.context.cast(self.builder, step, slot.parts[2].type, types.int64)
        elements.prefetch(self.builder.mul(wide, llvm.Constant(wide.type, TURNS_AHEAD)))

    def _store(self, inst: Any) -> bool:
        """Store to elements of an array; false where it goes lane by lane, or is the same for all."""
        if is_uniform(self.shapes.form(inst.index.name)):
            return False
        elements = self._elements(inst.target, inst.index)
        if elements is None or isinstance(elements.array_type.dtype, types.Record):
            return False
        value = self._numbers(self._value(inst.value.name), elements.array_type.dtype)
        if value is None:
            return False
        if not elements.are_neighbours:
            elements.spots(self._wide).store(value, self._mask)
            return True
        with self.builder.if_else(elements.packed(self._mask), likely=True) as (packed, apart):
            with packed:
                if self._blends(elements, inst.target.name):
                    elements.blend(value, self._mask)
                else:
                    elements.store_packed(value, self._mask)
            with apart:
                elements.spots(self._wide).store(value, self._mask)
        return True

    def _blends(self, elements: Elements, name: str) -> bool:
        """Whether whole vectors may be read and written where some lanes are on: shared memory has room around it.

        A masked store takes some ten times as long where processors have no registers for masks (Zen 3).
        """
        return self._origins.get(name) is block_array and elements.begin_near and not has_masks()


def _filled(like: llvm.Value, number: int) -> llvm.Constant:
    return llvm.Constant(like.type, [number] * like.type.count)


def _absolute(builder: llvm.IRBuilder, value: llvm.Value) -> llvm.Value:
    below = builder.icmp_signed("<", value, _filled(value, 0))
    return builder.select(below, builder.neg(value), value)


def _is_signed(type_: Any) -> bool:
    return isinstance(type_, types.Integer) and bool(type_.signed)


def _unliteral(value: Value) -> Value:
    """Return a value whose type forgets that it is a literal."""
    return Value(value.form, types.unliteral(value.type), value.held)
