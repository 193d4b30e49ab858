"""Running blocks of a kernel with barriers: one call of its body is one block."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from rkruntime.simt import _state
from rkruntime.simt._context import LoopContext, make_context
from rkruntime.simt._loop import first_block, next_block, place_of, threads_of
from rkruntime.simt._numba import njit, types
from rkruntime.simt._parts import INLINE
from rkruntime.simt._seam import BODY, merge, noting, take
from rkruntime.simt._switch import put, word

__all__ = ("make_block_run",)

WORD = ir.IntType(64)


def _note_thread(context: Any, builder: ir.IRBuilder, ctx: ir.Value, record: ir.Value) -> None:
    """Write to the state record which block it is, and which of its threads raised."""
    proxy = cgutils.create_struct_proxy(LoopContext)(context, builder, ctx)
    left = builder.load(builder.gep(record, [WORD(_state.FAULT_LANE)]))
    for k, axis in enumerate("xyz"):
        extent = builder.zext(getattr(proxy, "dim" + axis), WORD)
        block = builder.zext(getattr(proxy, "block" + axis), WORD)
        builder.store(block, builder.gep(record, [WORD(_state.BLOCK + k)]))
        builder.store(builder.urem(left, extent), builder.gep(record, [WORD(_state.THREAD + k)]))
        left = builder.udiv(left, extent)


call_block = noting(BODY, types.none, _note_thread)


def make_block_run() -> Any:
    """Build the function that runs a range of blocks; the kernel's body runs a whole one.

    Returns:
        A numba function `run(first, last, grid, block, shared_bytes, state, frame)`.
    """

    @njit(**INLINE, error_model="numpy")
    def run(first, last, grid, block, shared_bytes, state, frame):
        cancel = word(state, _state.CONTROL) + 8 * _state.CANCEL
        put(state, _state.DYNAMIC_BYTES, shared_bytes)
        take(frame, state, (last - first) * block[0] * block[1] * block[2])
        dim = threads_of(block)
        x, y, z = first_block(first, grid)
        for _ in range(last - first):
            index, base = place_of(x, y, z, dim)
            put(state, _state.FAULT_LANE, 0)
            call_block(make_context((0, 0, 0), base, index, dim, grid, state, cancel), frame, state)
            x, y, z = next_block(x, y, z, 1, grid)
        put(state, _state.FAULT_LANE, 0)
        merge(frame, state, 0)

    return run
