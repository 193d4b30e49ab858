"""Running blocks of a kernel with barriers: one call of its body is one block."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from rkruntime.simt import _state
from rkruntime.simt._context import LoopContext, make_context
from rkruntime.simt._loop import first_block, next_block, place_of, threads_of
from rkruntime.simt._numba import intrinsic, njit, types
from rkruntime.simt._parts import PART
from rkruntime.simt._switch import put, word
from rkruntime.simt.lanes._copies import make_copies

__all__ = ("make_block_run",)

WORD = ir.IntType(64)


@intrinsic(prefer_literal=False)
def call_block(typing_context, function, ctx, args, state):
    """Call `function(ctx, *args)`; if it raises, write block and thread to the state record and raise on."""
    arg_types = (ctx, *args.types)
    returned = function.get_call_type(typing_context, arg_types, {}).return_type

    def codegen(context, builder, signature, values):
        inner = function.get_call_type(typing_context, arg_types, {})
        context.add_linking_libs([function.dispatcher.get_compile_result(inner).library])
        compiled = function.dispatcher.get_compile_result(inner)
        given = [values[1], *(builder.extract_value(values[2], k) for k in range(len(args.types)))]
        status, result = context.call_internal_no_propagate(builder, compiled.fndesc, inner, given)
        with cgutils.if_unlikely(builder, status.is_error):
            proxy = cgutils.create_struct_proxy(LoopContext)(context, builder, values[1])
            record = builder.inttoptr(values[3], WORD.as_pointer())
            left = builder.load(builder.gep(record, [WORD(_state.FAULT_LANE)]))
            for k, axis in enumerate("xyz"):
                extent = builder.zext(getattr(proxy, "dim" + axis), WORD)
                block = builder.zext(getattr(proxy, "block" + axis), WORD)
                builder.store(block, builder.gep(record, [WORD(_state.BLOCK + k)]))
                builder.store(builder.urem(left, extent), builder.gep(record, [WORD(_state.THREAD + k)]))
                left = builder.udiv(left, extent)
            context.call_conv.return_status_propagate(builder, status)
        return result

    return returned(function, ctx, args, types.int64), codegen


def make_block_run(body: Any, private: tuple[int, ...] = ()) -> Any:
    """Build the function that runs a range of blocks.

    Args:
        body: The rewritten kernel, compiled for whole blocks: `body(ctx, *args)` with the context of a first thread.
        private: Arguments of which a worker may have a copy.

    Returns:
        A numba function `run(first, last, grid, block, shared_bytes, state, args)`.
    """
    take, merge = make_copies(private)

    @njit(**PART, error_model="numpy")
    def run(first, last, grid, block, shared_bytes, state, args):
        cancel = word(state, _state.CONTROL) + 8 * _state.CANCEL
        put(state, _state.DYNAMIC_BYTES, shared_bytes)
        mine = take(args, state, (last - first) * block[0] * block[1] * block[2])
        dim = threads_of(block)
        x, y, z = first_block(first, grid)
        for _ in range(last - first):
            index, base = place_of(x, y, z, dim)
            put(state, _state.FAULT_LANE, 0)
            call_block(body, make_context((0, 0, 0), base, index, dim, grid, state, cancel), mine, state)
            x, y, z = next_block(x, y, z, 1, grid)
        put(state, _state.FAULT_LANE, 0)
        merge(args, state)

    return run
