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
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._shapes import Shape, is_uniform
from rkruntime.simt.lanes._slots import Value

__all__ = ("Elements", "Places")

LINE_BYTES = 64  # of a cache
WORD, INDEX, BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(8)


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
        self.vector = ir.VectorType(self.item, width)

    @staticmethod
    def takes(array_type: Any, index_types: Sequence[Any]) -> bool:
        """Whether a subscript is one element with a number in it."""
        return (
            isinstance(array_type, types.Array)
            and array_type.aligned
            and len(index_types) == array_type.ndim > 0
            and vectors.is_number(array_type.dtype)
            and all(isinstance(one, types.Integer) for one in index_types)
        )

    @property
    def are_neighbours(self) -> bool:
        """Whether they may lie one after the other: one index is a ramp, along the axis that is packed."""
        ramps = [axis for axis, one in enumerate(self.indices) if not is_uniform(one.form)]
        if len(ramps) != 1 or self.indices[ramps[0]].form is not Shape.RAMP:
            return False
        return ramps[0] == (0 if self.array_type.layout == "F" else self.array_type.ndim - 1)

    def packed(self) -> ir.Value:
        """Return whether neighbours they are: the axis is packed, and no index counts from the end; a bit."""
        builder, sure = self.builder, ir.IntType(1)(1)
        ramp = next(one for one in self.indices if one.form is Shape.RAMP)
        if ramp.type.signed:
            sure = builder.icmp_signed(">=", ramp.held, ir.Constant(ramp.held.type, 0))
        if self.array_type.layout == "A":
            stride = builder.extract_value(self.view.strides, self.array_type.ndim - 1)
            sure = builder.and_(sure, builder.icmp_signed("==", stride, WORD(self.item_bytes)))
        return sure

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
        """Return the place of every lane's element, as integers; `spread(value)` makes a vector of int64."""
        builder = self.builder
        total = vectors.splat(builder, builder.ptrtoint(self.view.data, WORD), self.width)
        shape, strides = (cgutils.unpack_tuple(builder, one) for one in (self.view.shape, self.view.strides))
        for one, extent, stride in zip(self.indices, shape, strides, strict=True):
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

    # Loads

    def load_packed(self, mask: ir.Value | None) -> ir.Value:
        """Load neighbours; lanes that are off have no value."""
        place = self.builder.bitcast(self.first(), self.vector.as_pointer())
        if mask is None:
            loaded = self.builder.load(place)
            loaded.align = self.item_bytes
            return self._given(loaded)
        return self._given(self._masked("load", place, mask))

    def prefetch(self, distance: ir.Value) -> None:
        """Ask for the lines that are so many elements, an int64, after the lanes' own, where they are neighbours."""
        builder = self.builder
        ahead = builder.bitcast(builder.gep(self.first(), [distance]), BYTE.as_pointer())
        for line in range(-(-self.width * self.item_bytes // LINE_BYTES)):
            args = [builder.gep(ahead, [WORD(line * LINE_BYTES)]), INDEX(0), INDEX(3), INDEX(1)]
            builder.call(self._declared("llvm.prefetch.p0", ir.VoidType(), args), args)

    def gather(self, places: ir.Value, mask: ir.Value | None) -> ir.Value:
        """Load elements from anywhere; lanes that are off have no value."""
        return self._given(self._masked("gather", self._pointers(places), self._everywhere(mask)))

    def _given(self, vector: ir.Value) -> ir.Value:
        """Turn what memory holds into what numba computes with."""
        if isinstance(self.array_type.dtype, types.Boolean):
            return self.builder.trunc(vector, ir.VectorType(ir.IntType(1), self.width))
        return vector

    # Stores

    def store_packed(self, value: ir.Value, mask: ir.Value | None) -> None:
        """Store neighbours, where the mask is on."""
        place = self.builder.bitcast(self.first(), self.vector.as_pointer())
        kept = self._kept(value)
        if mask is None:
            self.builder.store(kept, place).align = self.item_bytes
            return
        self._masked_store("store", kept, place, mask)

    def scatter(self, value: ir.Value, places: ir.Value, mask: ir.Value | None) -> None:
        """Store elements anywhere, where the mask is on; of two lanes with one place the later wins."""
        self._masked_store("scatter", self._kept(value), self._pointers(places), self._everywhere(mask))

    def _kept(self, vector: ir.Value) -> ir.Value:
        if isinstance(self.array_type.dtype, types.Boolean):
            return self.builder.zext(vector, self.vector)
        return vector

    # LLVM's masked intrinsics, in the form with an alignment, which every LLVM reads

    def _everywhere(self, mask: ir.Value | None) -> ir.Value:
        on = ir.Constant(ir.VectorType(ir.IntType(1), self.width), [1] * self.width)
        return on if mask is None else mask

    def _pointers(self, places: ir.Value) -> ir.Value:
        return self.builder.inttoptr(places, ir.VectorType(self.item.as_pointer(), self.width))

    def _suffix(self, one_place: bool) -> str:
        item = self.item
        bits = f"i{item.width}" if isinstance(item, ir.IntType) else "f32" if item == ir.FloatType() else "f64"
        return f"v{self.width}{bits}.{'p0' if one_place else f'v{self.width}p0'}"

    def _masked(self, name: str, place: ir.Value, mask: ir.Value) -> ir.Value:
        args = [place, INDEX(self.item_bytes), mask, ir.Constant(self.vector, ir.Undefined)]
        full = f"llvm.masked.{name}.{self._suffix(name == 'load')}"
        return self.builder.call(self._declared(full, self.vector, args), args)

    def _masked_store(self, name: str, value: ir.Value, place: ir.Value, mask: ir.Value) -> None:
        args = [value, place, INDEX(self.item_bytes), mask]
        full = f"llvm.masked.{name}.{self._suffix(name == 'store')}"
        self.builder.call(self._declared(full, ir.VoidType(), args), args)

    def _declared(self, name: str, result: ir.Type, args: Sequence[ir.Value]) -> ir.Function:
        module = self.builder.module
        known = module.globals.get(name)
        if known is not None:
            return known
        return ir.Function(module, ir.FunctionType(result, [one.type for one in args]), name)
