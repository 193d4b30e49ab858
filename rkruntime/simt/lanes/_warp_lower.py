"""Emitting calls of warp operations, and refusing those that the threads of a warp may come to at different times."""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba.core import ir

from rkruntime.simt import _stubs
from rkruntime.simt._numba import types
from rkruntime.simt._refused import refused_at
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._gone import LeavingLower
from rkruntime.simt.lanes._shapes import Shape, callee_of, is_uniform
from rkruntime.simt.lanes._slots import Value
from rkruntime.simt.lanes._warps import SHUFFLES, VOTES, WARP, WARPS, agreeing, shuffled, taking_part, voted

__all__ = ("WarpLower",)

BITS = llvm.IntType(32)
EVERY = 0xFFFFFFFF


class WarpLower(LeavingLower):
    """Lowers warp operations for vectors that are warps."""

    def _callee(self, func: Any) -> Any:
        return callee_of(self.fndesc.typemap, func)

    def _calls(self, inst: Any) -> Any:
        """Return what a statement calls, if it assigns a call."""
        if isinstance(inst, ir.Assign) and isinstance(inst.value, ir.Expr) and inst.value.op == "call":
            return self._callee(inst.value.func)
        return None

    def _check_warps(self) -> None:
        if apart := self.warps & self._divergent:
            why = "the threads of a warp may part before they work together"
            raise refused_at(self.blocks[min(apart)].terminator.loc, why)

    def _lower_assignment(self, inst: Any) -> None:
        operation = self._calls(inst)
        if operation not in WARPS:
            super()._lower_assignment(inst)
            return
        name = inst.target.name
        form, type_ = self.shapes.form(name), self.typeof(name)
        made = self._emit_warp(operation, [self._value(one.name) for one in inst.value.args[1:]])
        if made is None:
            self.storevar(self.context.get_dummy_value(), name)
        elif is_uniform(form):
            self.storevar(self._as_numba(made, type_), name)
        else:
            mask = self._mask if self.shapes.blends(self._label, name) else None
            slot = self._slot(name)
            slot.store(self.builder, self._fit(made, slot.type, form), mask)

    def _as_numba(self, made: Value, type_: Any) -> llvm.Value:
        if isinstance(made.held, list):
            return self.context.make_tuple(self.builder, type_, [one.held for one in made.held])
        return self.context.cast(self.builder, made.held, made.type, type_)

    def _emit_warp(self, operation: Any, given: list[Value]) -> Value | None:
        """Return what an operation gives each lane, or None for nothing."""
        if operation is _stubs.syncwarp:
            return None
        if operation is _stubs.activemask:
            return Value(Shape.ROW, types.uint32, taking_part(self.builder, BITS(EVERY), self._mask))
        if operation in SHUFFLES:
            return self._emit_shuffle(operation, *given)
        part = taking_part(self.builder, self._words(given[0]), self._mask)
        if operation in VOTES:
            predicate = self._as_vector(given[1], types.boolean)
            type_ = types.int32 if operation is _stubs.ballot_sync else types.boolean
            return self._of_warp(type_, voted(self.builder, operation, predicate, part))
        return self._emit_match(operation, given[1], part)

    def _emit_shuffle(self, operation: Any, named: Value, value: Value, lane: Value) -> Value:
        type_ = types.unliteral(value.type)
        part: llvm.Value | None = self._words(named)
        if self._mask is None and isinstance(part, llvm.Constant) and part.constant & EVERY == EVERY:
            part = None
        else:
            part = taking_part(self.builder, part, self._mask)
        held = shuffled(self.builder, operation, self._as_vector(value, type_), self._words(lane), part)
        return Value(Shape.VARYING, type_, held)

    def _emit_match(self, operation: Any, value: Value, part: llvm.Value) -> Value:
        builder = self.builder
        mine = part if isinstance(part.type, llvm.VectorType) else vectors.splat(builder, part, WARP)
        same = builder.and_(agreeing(builder, self._as_vector(value, types.unliteral(value.type))), mine)
        if operation is _stubs.match_any_sync:
            return Value(Shape.VARYING, types.int32, same)
        all_do = builder.icmp_unsigned("==", same, mine)
        lanes = builder.select(all_do, mine, llvm.Constant(mine.type, None))
        parts = [Value(Shape.VARYING, types.int32, lanes), Value(Shape.VARYING, types.boolean, all_do)]
        return Value((Shape.VARYING, Shape.VARYING), types.Tuple((types.int32, types.boolean)), parts)

    def _of_warp(self, type_: Any, held: llvm.Value) -> Value:
        """Return an answer that is one for the warp, or a vector of them."""
        return Value(Shape.VARYING if isinstance(held.type, llvm.VectorType) else Shape.ROW, type_, held)

    def _words(self, value: Value) -> llvm.Value:
        """Return the low 32 bits of a whole number: a word where all lanes have the same, else a vector."""
        if is_uniform(value.form):
            wide = self.context.cast(self.builder, value.held, value.type, types.int64)
            if isinstance(wide, llvm.Constant):
                return BITS(wide.constant & EVERY)
            return self.builder.trunc(wide, BITS)
        return self.builder.trunc(self._wide(value), llvm.VectorType(BITS, WARP))
