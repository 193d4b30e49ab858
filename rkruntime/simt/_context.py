"""The context of the loop lowering: where a thread stands, as plain integers that LLVM folds into the loops.

What a kernel sees of indices and extents is int32, as on CUDA; its place in the whole grid is int64. Both are masked to
the widths that a launch can have. That costs nothing, since LLVM sees that the loops stay within them, and it proves
what vectorisation needs: no index wraps around below zero. (`llvm.assume` does not do: LLVM 22 drops it when a kernel's
body is optimised by itself, before it is inlined into the loops.)
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.extending import models, register_model

from rkruntime.simt import _stubs
from rkruntime.simt._numba import intrinsic, overload, types
from rkruntime.simt._parts import INLINE

__all__ = ("LoopContext", "make_context")

WORD, HALF = ir.IntType(64), ir.IntType(32)
TRIPLES = ("thread", "block", "dim", "grid")
FIELDS = tuple(f"{kind}{axis}" for kind in TRIPLES for axis in "xyz")
PLACES = tuple(f"place{axis}" for axis in "xyz")
THREAD_MASK, BLOCK_MASK = 2**11 - 1, 2**31 - 1  # a block has up to 1,024 threads, a grid up to 2**31 - 1 blocks
MASKS = (THREAD_MASK, BLOCK_MASK, THREAD_MASK, BLOCK_MASK)


class LoopContextType(types.Type):  # type: ignore[misc]
    """The hidden first parameter of a kernel's body in the loop lowering."""

    def __init__(self) -> None:
        super().__init__(name="LoopContext")


LoopContext = LoopContextType()


@register_model(LoopContextType)
class _LoopContextModel(models.StructModel):  # type: ignore[misc]
    def __init__(self, dmm, fe_type):
        members: list[tuple[str, Any]] = [(field, types.int32) for field in FIELDS]
        members += [(field, types.int64) for field in (*PLACES, "state", "cancel")]
        super().__init__(dmm, fe_type, members)


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


@intrinsic(prefer_literal=True)
def field_of(typing_context, ctx, field):
    """Read one field of the context."""
    name = field.literal_value
    wide = name not in FIELDS

    def codegen(context, builder, signature, args):
        return getattr(cgutils.create_struct_proxy(LoopContext)(context, builder, args[0]), name)

    return (types.int64 if wide else types.int32)(ctx, field), codegen


def _define_triple(stub: Any, kind: str) -> None:
    @overload(stub, jit_options=INLINE, prefer_literal=True)
    def define(ctx, axis):
        if ctx != LoopContext:
            return None
        field = kind + "xyz"[axis.literal_value]
        return lambda ctx, axis: field_of(ctx, field)


for _kind, _stub in zip(TRIPLES, (_stubs.thread_idx, _stubs.block_idx, _stubs.block_dim, _stubs.grid_dim), strict=True):
    _define_triple(_stub, _kind)


def _define_word(stub: Any, field: str) -> None:
    @overload(stub, jit_options=INLINE)
    def define_word(ctx):
        return (lambda ctx: field_of(ctx, field)) if ctx == LoopContext else None


_define_word(_stubs.cancel_address, "cancel")
_define_word(_stubs.state_address, "state")
for _axis, _place in zip("xyz", (_stubs.place_x, _stubs.place_y, _stubs.place_z), strict=True):
    _define_word(_place, "place" + _axis)
