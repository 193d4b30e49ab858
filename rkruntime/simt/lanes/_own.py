"""Arrays of a thread's own, on lanes: element by element, with all lanes' elements side by side.

One subscript for all threads is then one vector. That takes all uses of such an array to be known: reading and writing
single elements, and asking for its extents.
"""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from llvmlite import ir as llvm
from numba.core import ir

from rkruntime.simt._intrinsics import local_array
from rkruntime.simt._numba import types
from rkruntime.simt._signed import is_check
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._memory import Elements
from rkruntime.simt.lanes._origins import definitions
from rkruntime.simt.lanes._shapes import is_uniform
from rkruntime.simt.lanes._spots import Spots

__all__ = ("OwnElements", "own_arrays", "wrong_use")

BIT, WORD = llvm.IntType(1), llvm.IntType(64)
ASKED = ("shape", "size", "ndim")


def own_arrays(blocks: Mapping[int, Any], callee_of: Callable[[Any], Any]) -> dict[str, str]:
    """Return the variables that are such an array, each with the first of its names.

    Args:
        blocks: Numba's, by label.
        callee_of: What a call calls.
    """
    return {
        name: first
        for name, (first, value) in definitions(blocks).items()
        if isinstance(value, ir.Expr) and value.op == "call" and callee_of(value.func) is local_array
    }


def wrong_use(inst: Any, own: Mapping[str, str], typemap: Any, callee_of: Callable[[Any], Any]) -> bool:
    """Whether a statement uses such an array in a way that is not known.

    Args:
        inst: The statement.
        own: What `own_arrays` found.
        typemap: Types of the variables.
        callee_of: What a call calls.
    """
    if isinstance(inst, ir.Del) or all(var.name not in own for var in inst.list_vars()):
        return False
    if isinstance(inst, ir.SetItem | ir.StaticSetItem):
        index = inst.index if isinstance(inst, ir.SetItem) else inst.index_var
        kept = Spots.takes(typemap[inst.value.name])
        return not (kept and inst.value.name not in own and _is_element(inst.target, index, typemap))
    if not isinstance(inst, ir.Assign):
        return True
    value: Any = inst.value
    if isinstance(value, ir.Var):
        return inst.target.name not in own
    if value.op in ("getitem", "static_getitem"):
        return not _is_element(value.value, value.index if value.op == "getitem" else value.index_var, typemap)
    if value.op == "getattr":
        return value.attr not in ASKED
    callee = callee_of(value.func) if value.op == "call" else None
    return not (callee in (local_array, len) or is_check(callee))


def _is_element(array: Any, index: Any, typemap: Any) -> bool:
    if index is None:
        return False
    given = typemap[index.name]
    parts = tuple(given) if isinstance(given, types.BaseTuple) else (given,)
    return Elements.takes(typemap[array.name], parts) and Spots.takes(typemap[array.name].dtype)


class OwnElements(Elements):
    """One element of each lane's own array.

    Args:
        room: Where they lie.
        extents: The array's.
        given: What `Elements` takes.
    """

    def __init__(self, room: llvm.Value, extents: tuple[int, ...], *given: Any) -> None:
        super().__init__(*given)
        self._room, self._extents = room, extents

    @property
    def are_neighbours(self) -> bool:
        """Whether all lanes mean the same place of their arrays."""
        return all(is_uniform(one.form) for one in self.indices)

    def packed(self, mask: llvm.Value | None) -> llvm.Value:  # noqa: ARG002
        """Return that they are."""
        return BIT(1)

    def first(self) -> llvm.Value:
        """Return the place of lane 0's element."""
        builder, place = self.builder, WORD(0)
        for one, extent, stride in zip(self.indices, self._extents, _strides(self._extents), strict=True):
            index = self.context.cast(builder, one.held, one.type, types.intp)
            index = self._wrapped(index, WORD(extent)) if one.type.signed else index
            place = builder.add(place, builder.mul(index, WORD(stride)))
        items = builder.bitcast(self._room, self.item.as_pointer())
        return builder.gep(items, [builder.mul(place, WORD(self.width))])

    def places(self, spread: Any) -> llvm.Value:
        """Return the place of every lane's element, as integers."""
        builder, total = self.builder, vectors.iota(WORD, self.width)
        for one, extent, stride in zip(self.indices, self._extents, _strides(self._extents), strict=True):
            index = spread(one)
            if one.type.signed:
                below = builder.icmp_signed("<", index, llvm.Constant(index.type, None))
                last = vectors.splat(builder, WORD(extent), self.width)
                index = builder.select(below, builder.add(index, last), index)
            step = vectors.splat(builder, WORD(stride * self.width), self.width)
            total = builder.add(total, builder.mul(index, step))
        size = vectors.splat(builder, WORD(self.item_bytes), self.width)
        start = vectors.splat(builder, builder.ptrtoint(self._room, WORD), self.width)
        return builder.add(start, builder.mul(total, size))


def _strides(extents: tuple[int, ...]) -> list[int]:
    return [math.prod(extents[k + 1 :]) for k in range(len(extents))]
