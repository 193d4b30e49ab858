"""Elements of arrays for all lanes at once: one vector where they are neighbours, else gathered and scattered."""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
from llvmlite import ir
from numba.core import cgutils
from numba.np.arrayobj import make_array

from rkruntime.simt._numba import types
from rkruntime.simt.lanes import _masked as masked
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._shapes import Shape, is_uniform
from rkruntime.simt.lanes._slots import Value
from rkruntime.simt.lanes._spots import Spots, from_memory, to_memory

__all__ = ("ComplexElements", "Elements", "Places", "bytes_in_lines")

LINE_BYTES = 64  # of a cache
WORD, INDEX, BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(8)


def bytes_in_lines(size: int) -> tuple[int, ...]:
    """Return bytes of a vector of `size` that are in all of its lines, wherever it begins.

    The last is in a line of its own where the first begins none, as numpy's large arrays begin 16 bytes after one.
    """
    return (*range(0, size - 1, LINE_BYTES), size - 1)


@attrs.frozen
class Places:
    """Where each lane's element is.

    Args:
        held: A vector of integers.
        pointer: Makes a pointer of one of them.
    """

    held: ir.Value
    pointer: Callable[[ir.Value], ir.Value]


class Elements:
    """One element of an array for each lane.

    Args:
        context: Numba's target context.
        builder: Where to emit.
        array_type: Numba's type of the array, which is the same for all lanes.
        array: It.
        indices: One for each dimension.
        width: Lanes.
    """

    def __init__(
        self,
        context: Any,
        builder: ir.IRBuilder,
        array_type: Any,
        array: ir.Value,
        indices: Sequence[Value],
        width: int,
    ) -> None:
        self.context, self.builder, self.width = context, builder, width
        self.array_type, self.indices = array_type, indices
        self.view = make_array(array_type)(context, builder, array)
        self.item = context.get_data_type(array_type.dtype)
        self.item_bytes = context.get_abi_sizeof(self.item)
        part_bytes = self.item_bytes // (2 if isinstance(array_type.dtype, types.Complex) else 1)
        self.alignment = part_bytes if array_type.aligned else 1

    @staticmethod
    def takes(array_type: Any, index_types: Sequence[Any]) -> bool:
        """Whether a subscript is one element with a number or a record in it."""
        return (
            isinstance(array_type, types.Array)
            and len(index_types) == array_type.ndim > 0
            and (Spots.takes(array_type.dtype) or isinstance(array_type.dtype, types.Record))
            and all(isinstance(one, types.Integer) for one in index_types)
        )

    @property
    def are_neighbours(self) -> bool:
        """Whether they may lie one after the other: one index is a ramp, along the axis that is packed."""
        ramps = [axis for axis, one in enumerate(self.indices) if not is_uniform(one.form)]
        if len(ramps) != 1 or self.indices[ramps[0]].form is not Shape.RAMP:
            return False
        return ramps[0] == (0 if self.array_type.layout == "F" else self.array_type.ndim - 1)

    def packed(self, mask: ir.Value | None) -> ir.Value:
        """Return whether neighbours they are: the axis is packed, and no lane that is on counts from the end; a bit."""
        builder, sure, ramp = self.builder, ir.IntType(1)(1), self._ramp
        if ramp.type.signed:
            first = self.context.cast(builder, ramp.held, ramp.type, types.intp)
            if mask is not None:
                first = builder.add(first, builder.zext(vectors.first_lane(builder, mask), WORD))
            sure = builder.icmp_signed(">=", first, ir.Constant(first.type, 0))
        if self.array_type.layout == "A":
            stride = builder.extract_value(self.view.strides, self.array_type.ndim - 1)
            sure = builder.and_(sure, builder.icmp_signed("==", stride, WORD(self.item_bytes)))
        return sure

    @property
    def begin_near(self) -> bool:
        """Whether lane 0's place is less than a vector before the array, if at all: a number without sign may wrap."""
        return bool(self._ramp.type.signed)

    @property
    def _ramp(self) -> Value:
        return next(one for one in self.indices if one.form is Shape.RAMP)

    def first(self) -> ir.Value:
        """Return the place of lane 0's element, where they are neighbours."""
        indices = [self.context.cast(self.builder, one.held, one.type, types.intp) for one in self.indices]
        signed = [is_uniform(one.form) and one.type.signed for one in self.indices]
        axes = zip(indices, signed, cgutils.unpack_tuple(self.builder, self.view.shape), strict=True)
        wrapped = [self._wrapped(index, extent) if may else index for index, may, extent in axes]
        return cgutils.get_item_pointer(
            self.context, self.builder, self.array_type, self.view, wrapped, wraparound=False
        )

    def _wrapped(self, index: ir.Value, extent: ir.Value) -> ir.Value:
        if isinstance(index, ir.Constant) and index.constant >= 0:
            return index
        builder = self.builder
        below = builder.icmp_signed("<", index, WORD(0))
        return builder.select(below, builder.add(index, extent), index)

    def places(self, spread: Any) -> ir.Value:
        """Return the place of every lane's element, as integers; `spread(value)` makes a vector of int64.

        Where these are neighbours as a rule, LLVM must not compute them before it is known that they are not: what is
        the same in all turns of a loop it would take out of that.
        """
        builder, indices = self.builder, self.indices
        if self.are_neighbours and self.array_type.layout != "A":
            indices = [Value(one.form, one.type, vectors.opaque(builder, one.held)) for one in indices]
        total = vectors.splat(builder, builder.ptrtoint(self.view.data, WORD), self.width)
        shape, strides = (cgutils.unpack_tuple(builder, one) for one in (self.view.shape, self.view.strides))
        for one, extent, stride in zip(indices, shape, strides, strict=True):
            index = spread(one)
            if one.type.signed:
                below = builder.icmp_signed("<", index, ir.Constant(index.type, None))
                index = builder.select(below, builder.add(index, vectors.splat(builder, extent, self.width)), index)
            total = builder.add(total, builder.mul(index, vectors.splat(builder, stride, self.width)))
        return total

    def places_by_lane(self, spread: Any) -> Places:
        """Return the place of every lane's element for lanes that are taken one after the other.

        A small index without sign into a packed array is kept as it is: that is an eighth of what addresses take.
        """
        builder, index = self.builder, self.indices[0]
        packed = len(self.indices) == 1 and self.array_type.layout == "C"
        if packed and index.form is Shape.VARYING and not index.type.signed and index.type.bitwidth < 64:
            base = self.view.data
            return Places(index.held, lambda held: builder.gep(base, [builder.zext(held, WORD)]))
        return Places(self.places(spread), lambda held: builder.inttoptr(held, self.item.as_pointer()))

    def spots(self, spread: Any) -> Spots:
        """Return where they are, for what is not neighbours; `spread(value)` makes a vector of int64."""
        places, array = self.places(spread), self.array_type
        return Spots(self.context, self.builder, array.dtype, places, array.aligned)

    def load_packed(self, mask: ir.Value | None) -> Any:
        """Load neighbours; lanes that are off have no value."""
        vector = ir.VectorType(self.item, self.width)
        loaded = masked.load(self.builder, vector, self.first(), mask, self.alignment)
        return from_memory(self.builder, self.array_type.dtype, loaded)

    def prefetch(self, distance: ir.Value) -> None:
        """Ask for the lines that are so many elements, an int64, after the lanes' own, where they are neighbours."""
        builder = self.builder
        ahead = builder.bitcast(builder.gep(self.first(), [distance]), BYTE.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer(), INDEX, INDEX, INDEX])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        for byte in bytes_in_lines(self.width * self.item_bytes):
            builder.call(function, [builder.gep(ahead, [WORD(byte)]), INDEX(0), INDEX(3), INDEX(1)])

    def blend(self, value: Any, mask: ir.Value | None) -> None:
        """Store neighbours, and where the mask is off what was there: for memory that no other worker sees.

        Most masks want all lanes, and then nothing is read.
        """
        if mask is None:
            self.store_packed(value, None)
            return
        with self.builder.if_else(vectors.all_lanes(self.builder, mask), likely=True) as (every, some):
            with every:
                self.store_packed(value, None)
            with some:
                held = self.load_packed(None)
                if isinstance(held, list):  # complex numbers, by their parts
                    value = [self._chosen(mask, *one) for one in zip(value, held, strict=True)]
                else:
                    value = self._chosen(mask, value, held)
                self.store_packed(value, None)

    def _chosen(self, mask: ir.Value, new: ir.Value, held: ir.Value) -> ir.Value:
        # Frozen, it is nothing that LLVM makes a masked store of. llvmlite has no name for that.
        frozen = ir.Instruction(self.builder.block, held.type, "freeze", [held])
        self.builder._insert(frozen)
        return self.builder.select(mask, new, frozen)

    def store_packed(self, value: Any, mask: ir.Value | None) -> None:
        """Store neighbours, where the mask is on."""
        kept = to_memory(self.builder, self.array_type.dtype, value)
        masked.store(self.builder, kept, self.first(), mask, self.alignment)


class ComplexElements(Elements):
    """One complex number of an array for each lane: two vectors, of real and imaginary parts."""

    def load_packed(self, mask: ir.Value | None) -> list[ir.Value]:
        """Load neighbours, whose parts take turns in memory."""
        both = masked.load(self.builder, self._both, self.first(), self._doubled(mask), self.alignment)
        nothing = ir.Constant(self._both, ir.Undefined)
        return [self.builder.shuffle_vector(both, nothing, self._every_other(k)) for k in (0, 1)]

    def store_packed(self, value: Any, mask: ir.Value | None) -> None:
        """Store neighbours, where the mask is on."""
        turns = [lane + part * self.width for lane in range(self.width) for part in (0, 1)]
        both = self.builder.shuffle_vector(*value, ir.Constant(ir.VectorType(INDEX, 2 * self.width), turns))
        masked.store(self.builder, both, self.first(), self._doubled(mask), self.alignment)

    @property
    def _both(self) -> ir.VectorType:
        part = self.context.get_data_type(self.array_type.dtype.underlying_float)
        return ir.VectorType(part, 2 * self.width)

    def _every_other(self, first: int) -> ir.Constant:
        return ir.Constant(ir.VectorType(INDEX, self.width), [first + 2 * k for k in range(self.width)])

    def _doubled(self, mask: ir.Value | None) -> ir.Value | None:
        if mask is None:
            return None
        twice = ir.Constant(ir.VectorType(INDEX, 2 * self.width), [k // 2 for k in range(2 * self.width)])
        return self.builder.shuffle_vector(mask, ir.Constant(mask.type, ir.Undefined), twice)
