"""Numbers that lie anywhere, one for each lane: gathered and scattered; of complex ones, both parts."""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

import attrs
from llvmlite import ir

from rkruntime.simt._numba import types
from rkruntime.simt.lanes import _masked as masked
from rkruntime.simt.lanes import _vectors as vectors

__all__ = ("Spots", "from_memory", "to_memory")

BIT, BYTE = ir.IntType(1), ir.IntType(8)


@attrs.frozen
class Spots:
    """Where they are.

    Args:
        context: Numba's target context.
        builder: Where to emit.
        dtype: Numba's type of them.
        places: A vector of integers.
        aligned: Whether they lie as their type wants.
    """

    context: Any
    builder: ir.IRBuilder
    dtype: Any
    places: ir.Value
    aligned: bool

    @staticmethod
    def takes(dtype: Any) -> bool:
        """Whether they are numbers."""
        return vectors.is_number(dtype) or isinstance(dtype, types.Complex)

    def load(self, mask: ir.Value | None) -> Any:
        """Return a vector, or two of complex numbers' parts; lanes that are off have no value."""
        if isinstance(self.dtype, types.Complex):
            return [part.load(mask) for part in self._parts()]
        loaded = masked.gather(self.builder, self._item, self.places, mask, self._alignment)
        return from_memory(self.builder, self.dtype, loaded)

    def store(self, held: Any, mask: ir.Value | None) -> None:
        """Store a vector, or two, where the mask is on; of two lanes with one place the later wins."""
        if isinstance(self.dtype, types.Complex):
            for part, one in zip(self._parts(), held, strict=True):
                part.store(one, mask)
            return
        value = to_memory(self.builder, self.dtype, held)
        masked.scatter(self.builder, value, self.places, mask, self._alignment)

    def _parts(self) -> list[Spots]:
        item = self.dtype.underlying_float
        further = ir.Constant(self.places.type, [item.bitwidth // 8] * self.places.type.count)
        both = (self.places, self.builder.add(self.places, further))
        return [Spots(self.context, self.builder, item, places, self.aligned) for places in both]

    @property
    def _item(self) -> ir.Type:
        return self.context.get_data_type(self.dtype)

    @property
    def _alignment(self) -> int:
        return int(self.context.get_abi_sizeof(self._item)) if self.aligned else 1


def from_memory(builder: ir.IRBuilder, dtype: Any, vector: ir.Value) -> ir.Value:
    """Turn what memory holds into what numba computes with."""
    return builder.trunc(vector, _like(vector, BIT)) if isinstance(dtype, types.Boolean) else vector


def to_memory(builder: ir.IRBuilder, dtype: Any, vector: ir.Value) -> ir.Value:
    """Turn what numba computes with into what memory holds."""
    return builder.zext(vector, _like(vector, BYTE)) if isinstance(dtype, types.Boolean) else vector


def _like(vector: ir.Value, item: ir.Type) -> ir.VectorType:
    return ir.VectorType(item, vector.type.count)
