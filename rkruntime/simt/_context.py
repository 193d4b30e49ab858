"""The context of the loop lowering: where a thread stands, as plain integers that LLVM folds into the loops.

What a kernel sees of indices and extents is int32, as on CUDA; its place in the whole grid is int64. Both are masked to
the widths that a launch can have. That costs nothing, since LLVM sees that the loops stay within them, and it proves
what vectorisation needs: no index wraps around below zero. (`llvm.assume` does not do: LLVM 22 drops it when a kernel's
body is optimised by itself, before it is inlined into the loops.)
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import models, register_model

from rkruntime.simt import _stubs
from rkruntime.simt._direct import emits
from rkruntime.simt._numba import intrinsic, types

__all__ = ("LoopContext", "make_context")

WORD, HALF = ir.IntType(64), ir.IntType(32)
TRIPLES = ("thread", "block", "dim", "grid")
FIELDS = tuple(f"{kind}{axis}" for kind in TRIPLES for axis in "xyz")
PLACES = tuple(f"place{axis}" for axis in "xyz")
THREAD_MASK, BLOCK_MASK = 2**11 - 1, 2**31 - 1  # a block has up to 1,024 threads, a grid up to 2**31 - 1 blocks
_MEMBERS = (*FIELDS, *PLACES, "state", "cancel")
MASKS = (THREAD_MASK, BLOCK_MASK, THREAD_MASK, BLOCK_MASK)


class LoopContextType(types.Type):  # type: ignore[misc]
    """The hidden first parameter of a kernel's body in the loop lowering."""

    def __init__(self) -> None:
        super().__init__(name="LoopContext")


LoopContext = LoopContextType()


@register_model(LoopContextType)
class _LoopContextModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, [(name, types.int32 if name in FIELDS else types.int64) for name in _MEMBERS])


@intrinsic
def make_context(typing_context, thread, place, block, dim, grid, state, cancel):
    """Make a context: five triples of int64, and the addresses of the state record and the CANCEL word."""
    triple = types.UniTuple(types.int64, 3)

    def codegen(context, builder, signature, args):
        made = cgutils.create_struct_proxy(LoopContext)(context, builder)
        thread, place, block, dim, grid = args[:5]
        for name, mask, values in zip(TRIPLES, MASKS, (thread, block, dim, grid), strict=True):
            for k, axis in enumerate("xyz"):
                masked = builder.and_(builder.extract_value(values, k), ir.Constant(WORD, mask))
                setattr(made, name + axis, builder.trunc(masked, HALF))
        for k, field in enumerate(PLACES):
            setattr(made, field, builder.extract_value(place, k))
        made.state, made.cancel = args[5:]
        return made._getvalue()

    return LoopContext(triple, triple, triple, triple, triple, types.int64, types.int64), codegen


def _field(builder: Any, ctx: Any, name: str) -> Any:
    """Read one field of the context."""
    return builder.extract_value(ctx, _MEMBERS.index(name), name=name)


def _define_triple(stub: Any, kind: str) -> None:
    @emits(stub, types.int32, LoopContext, types.IntegerLiteral)
    def emit(builder: Any, given: Any, values: Any) -> Any:
        return _field(builder, values[0], kind + "xyz"[given[1].literal_value])


for _kind, _stub in zip(TRIPLES, (_stubs.thread_idx, _stubs.block_idx, _stubs.block_dim, _stubs.grid_dim), strict=True):
    _define_triple(_stub, _kind)


def _define_word(stub: Any, field: str) -> None:
    @emits(stub, types.int64, LoopContext)
    def emit(builder: Any, given: Any, values: Any) -> Any:
        return _field(builder, values[0], field)


_define_word(_stubs.cancel_address, "cancel")
_define_word(_stubs.state_address, "state")
_define_word(_stubs.grid_1, "placex")
for _axis, _place in zip("xyz", (_stubs.place_x, _stubs.place_y, _stubs.place_z), strict=True):
    _define_word(_place, "place" + _axis)


def _define_places(stub: Any, count: int) -> None:
    @emits(stub, types.UniTuple(types.int64, count), LoopContext)
    def emit(builder: Any, given: Any, values: Any) -> Any:
        return cgutils.pack_array(builder, [_field(builder, values[0], name) for name in PLACES[:count]])


_define_places(_stubs.grid_2, 2)
_define_places(_stubs.grid_3, 3)
