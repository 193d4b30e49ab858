"""Handing out blocks without the GIL: chunks from the launch's counter, until none are left or a flag says to stop."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from typing import Any

from llvmlite import ir

from rkruntime.simt import _state
from rkruntime.simt._descent import DEEPEST_BYTES, stack_pointer
from rkruntime.simt._intrinsics import read_anew
from rkruntime.simt._numba import intrinsic, njit, types
from rkruntime.simt._parts import whole_compiler
from rkruntime.simt._stubs import smallest
from rkruntime.simt._switch import put

__all__ = ("make_drive",)

WORD = ir.IntType(64)


@intrinsic
def take(typing_context, control, count):
    """Add `count` to the launch's counter; return the first block of those."""

    def codegen(context, builder, signature, args):
        record = builder.inttoptr(args[0], WORD.as_pointer())
        counter = builder.gep(record, [ir.Constant(WORD, _state.NEXT)])
        return builder.atomic_rmw("add", counter, args[1], "monotonic")

    return types.int64(types.int64, types.int64), codegen


def make_drive(run: Any, *, vectors: bool = False) -> Any:
    """Build the function that a worker calls.

    Args:
        run: What `make_run` of a lowering made.
        vectors: Whether the kernel's vectors are explicit.

    Returns:
        A numba function `drive(control, state, grid, block, shared_bytes, args)`: addresses of both records, two
        triples, bytes, and the tuple of the kernel's arguments. It runs at least one chunk unless the launch is
        cancelled, and lets the GIL go.
    """

    @njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, pipeline_class=whole_compiler(vectors=vectors))
    def drive(control, state, grid, block, shared_bytes, args):
        put(state, _state.STACK_LIMIT, stack_pointer() - DEEPEST_BYTES)
        total = read_anew(control + 8 * _state.TOTAL)
        while read_anew(control + 8 * _state.CANCEL) == 0:
            chunk = read_anew(control + 8 * _state.CHUNK)
            first = take(control, chunk)
            if first >= total:
                return
            run(first, smallest(first + chunk, total), grid, block, shared_bytes, state, args)
            if read_anew(control + 8 * _state.YIELD) != 0:
                return

    return drive
