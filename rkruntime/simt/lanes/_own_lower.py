"""Emitting reads and writes of the elements of threads' own arrays."""

# one signature for all expressions, and numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir as llvm
from numba.core import ir

from rkruntime.simt._numba import types
from rkruntime.simt._refused import refused_at
from rkruntime.simt._stubs import parse_shape
from rkruntime.simt.lanes._own import OwnElements, own_arrays, wrong_use
from rkruntime.simt.lanes._record_lower import RecordLower
from rkruntime.simt.lanes._shapes import Shape, callee_of
from rkruntime.simt.lanes._slots import Value

__all__ = ("OwnLower",)

WORD, BYTE = llvm.IntType(64), llvm.IntType(8)
ALIGNMENT = 64
MOST_BYTES = 128 * 1024  # of a vector's threads, on the stack that runs them


class OwnLower(RecordLower):
    """Lowers arrays of a thread's own, of numbers."""

    _own: dict[str, str]  # the variables that are one, with the first of its names
    _rooms: dict[str, llvm.Value]

    def _find_own(self) -> None:
        """Find such arrays, and refuse what cannot be lowered of what is done with them."""
        typemap = self.fndesc.typemap

        def callee(func: Any) -> Any:
            return callee_of(typemap, func)

        self._own, self._rooms = own_arrays(self.blocks, callee), {}
        statements = [inst for block in self.blocks.values() for inst in block.body]
        for inst in statements:
            if wrong_use(inst, self._own, typemap, callee):
                raise refused_at(
                    inst.loc, "each thread has an array of its own (cuda.local.array), and uses it as a whole"
                )
        taken = sum(map(self._own_bytes, set(self._own.values()))) * self.width
        if taken > MOST_BYTES:
            why = f"arrays of the threads' own take {taken:,} bytes for a vector, more than {MOST_BYTES:,}"
            raise refused_at(self.func_ir.loc, why)

    def _extents_of(self, first: str) -> tuple[int, ...]:
        made: Any = next(
            inst.value
            for block in self.blocks.values()
            for inst in block.body
            if isinstance(inst, ir.Assign) and inst.target.name == first
        )
        return parse_shape(self.typeof(made.args[0].name).literal_value)

    def _own_bytes(self, first: str) -> int:
        """Return the size of one thread's array."""
        item = self.context.get_data_type(self.typeof(first).dtype)
        return int(self.context.get_abi_sizeof(item)) * math.prod(self._extents_of(first))

    def _room_of(self, first: str) -> llvm.Value:
        """Return where the arrays of the vector at hand lie."""
        room = self._rooms.get(first)
        if room is None:
            with self.builder.goto_entry_block():
                room = self.builder.alloca(llvm.ArrayType(BYTE, self._own_bytes(first) * self.width), name="own")
            room.align = ALIGNMENT
            self._rooms[first] = room
        return room

    def _own_elements(self, array: Any, index: Any) -> list[OwnElements]:
        """Return the elements of an own array that a subscript means; of complex ones, those of both parts."""
        first, type_ = self._own[array.name], self.typeof(array.name)
        room, extents, indices = self._room_of(first), self._extents_of(first), self._index_values(index)
        if not isinstance(type_.dtype, types.Complex):
            return [self._of_own(room, extents, type_, indices)]
        parts = types.Array(type_.dtype.underlying_float, type_.ndim + 1, "C")
        places = [Value(Shape.UNIFORM, types.intp, WORD(k)) for k in (0, 1)]
        return [self._of_own(room, (*extents, 2), parts, [*indices, one]) for one in places]

    def _of_own(self, room: llvm.Value, extents: tuple[int, ...], type_: Any, indices: list[Value]) -> OwnElements:
        nothing = llvm.Constant(self.context.get_value_type(type_), llvm.Undefined)
        return OwnElements(room, extents, self.context, self.builder, type_, nothing, indices, self.width)

    def _emit_getitem(self, type_: Any, expr: Any) -> Value | None:
        return self._read(expr.value, expr.index) or super()._emit_getitem(type_, expr)

    def _emit_static_getitem(self, type_: Any, expr: Any) -> Value | None:
        return self._read(expr.value, expr.index_var) or super()._emit_static_getitem(type_, expr)

    def _read(self, array: Any, index: Any) -> Value | None:
        """Return elements of an own array, or None where it is none."""
        if array.name not in self._own:
            return None
        parts = [self._loaded(one) for one in self._own_elements(array, index)]
        dtype = self.typeof(array.name).dtype
        return self._of_numbers(dtype, parts if isinstance(dtype, types.Complex) else parts[0])

    def _loaded(self, elements: OwnElements) -> Any:
        if elements.are_neighbours:
            return elements.load_packed(None)
        return elements.spots(self._wide).load(self._mask)

    def _write(self, inst: Any) -> bool:
        """Store to an own array; false where a statement does not."""
        if not isinstance(inst, ir.SetItem | ir.StaticSetItem) or inst.target.name not in self._own:
            return super()._write(inst)
        index = inst.index if isinstance(inst, ir.SetItem) else inst.index_var
        dtype = self.typeof(inst.target.name).dtype
        held = self._numbers(self._value(inst.value.name), dtype)
        values = held if isinstance(dtype, types.Complex) else [held]
        for elements, value in zip(self._own_elements(inst.target, index), values, strict=True):
            if elements.are_neighbours:
                elements.blend(value, self._mask)
            else:
                elements.spots(self._wide).store(value, self._mask)
        return True
