"""Where code that is the same for all kernels meets what is one kernel's own, as functions that it calls by name.

What runs blocks is compiled once (`_template`) and knows no kernel: it hands on the address of a frame, which holds the
kernel's arguments. What a kernel brings (`_whole`) are these functions, which read the frame; the linker puts both
together, and LLVM then sees the loop over threads and the kernel's body as one.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from rkruntime.simt._numba import intrinsic, types

__all__ = (
    "BLOCKS",
    "BODY",
    "DRIVE",
    "DRIVE_PARAMETERS",
    "FRAME",
    "LIMITS",
    "LIMITS_TYPE",
    "MERGE",
    "RUN",
    "RUN_PARAMETERS",
    "TAKE",
    "declared",
    "merge",
    "noting",
    "plainly_declared",
    "run",
    "take",
)

WORD = ir.IntType(64)
FRAME = types.voidptr  # what a frame's address is to numba
BODY, LIMITS = "rk_body", "rk_limits"  # `(ctx, frame)`, of which the second returns a block's limits
TAKE, MERGE = "rk_take", "rk_merge"  # `(frame, state, threads)`, which make a worker's copies and add them up
RUN = "rk_run"  # which runs a range of blocks
# What a template defines for the kernel: what workers call, and what runs a range of blocks.
DRIVE, BLOCKS = "rk_drive", "rk_blocks"
LIMITS_TYPE = types.UniTuple(types.int64, 12)
_TRIPLE = types.UniTuple(types.int64, 3)
# Parameters of what workers call, and of what runs a range of blocks.
DRIVE_PARAMETERS = (types.int64, types.int64, _TRIPLE, _TRIPLE, types.int64, FRAME)
RUN_PARAMETERS = (types.int64, types.int64, _TRIPLE, _TRIPLE, types.int64, types.int64, FRAME)
Note = Callable[[Any, ir.IRBuilder, ir.Value, ir.Value], None]


def declared(context: Any, module: ir.Module, name: str, returns: Any, parameters: Sequence[Any]) -> ir.Function:
    """Return a function of numba's calling convention, declared in the module if it is not there yet."""
    return cgutils.get_or_insert_function(module, context.call_conv.get_function_type(returns, parameters), name)


def noting(name: str, returns: Any, note: Note) -> Any:
    """Make what compiled code calls as `call(ctx, frame, state)`: the kernel's function `name(ctx, frame)`.

    Args:
        name: The function's.
        returns: Numba's type of its result.
        note: `note(context, builder, ctx, record)` emits what writes block and thread to the state record, where it
            raised.
    """

    @intrinsic(prefer_literal=False)
    def call(typing_context, ctx, frame, state):
        def codegen(context, builder, signature, values):
            function = declared(context, builder.module, name, returns, (ctx, FRAME))
            status, result = context.call_conv.call_function(builder, function, returns, (ctx, FRAME), values[:2])
            with cgutils.if_unlikely(builder, status.is_error):
                note(context, builder, values[0], builder.inttoptr(values[2], WORD.as_pointer()))
                context.call_conv.return_status_propagate(builder, status)
            return result

        return returns(ctx, FRAME, types.int64), codegen

    return call


@intrinsic(prefer_literal=False)
def run(typing_context, first, last, grid, block, shared_bytes, state, frame):
    """Run a range of blocks, and raise what it raises."""

    def codegen(context, builder, signature, values):
        function = declared(context, builder.module, RUN, types.none, RUN_PARAMETERS)
        status, result = context.call_conv.call_function(builder, function, types.none, RUN_PARAMETERS, values)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return result

    return types.none(*RUN_PARAMETERS), codegen


def _plain(name: str) -> Any:
    @intrinsic
    def call(typing_context, frame, state, threads):
        def codegen(context, builder, signature, values):
            builder.call(plainly_declared(builder.module, name), values)
            return context.get_dummy_value()

        return types.void(FRAME, types.int64, types.int64), codegen

    return call


def plainly_declared(module: ir.Module, name: str) -> ir.Function:
    """Return TAKE or MERGE, declared in the module if it is not there yet."""
    kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer(), WORD, WORD])
    return cgutils.get_or_insert_function(module, kind, name)


take, merge = _plain(TAKE), _plain(MERGE)
