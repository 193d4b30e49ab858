"""How deep a thread's stack is: what recursive device functions look at as they begin."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from llvmlite import ir

from rkruntime.simt import _state, _stubs
from rkruntime.simt._context import LoopContext
from rkruntime.simt._numba import intrinsic, overload, types
from rkruntime.simt._parts import INLINE
from rkruntime.simt._raised import TooDeep
from rkruntime.simt._switch import put, word

__all__ = ("DEEPEST_BYTES", "stack_pointer")

WORD = ir.IntType(64)
DEEPEST_BYTES = 512 * 1024  # what CUDA can give a thread; a worker's own stack has 8 MiB


@intrinsic
def stack_pointer(typing_context):
    """Return about where the stack ends now: the address of a byte in the frame of the function that calls this."""

    def codegen(context, builder, signature, args):
        here = builder.alloca(ir.IntType(8))
        return builder.ptrtoint(here, WORD)

    return types.int64(), codegen


@overload(_stubs.stack_limit, jit_options=INLINE)
def _stack_limit(ctx):
    if ctx != LoopContext:
        return None
    return lambda ctx: word(_stubs.state_address(ctx), _state.STACK_LIMIT)


@overload(_stubs.descend, jit_options=INLINE)
def _descend(ctx, line):
    def descend(ctx, line):
        _stubs.interrupt(ctx)
        if stack_pointer() < _stubs.stack_limit(ctx):
            put(_stubs.state_address(ctx), _state.FAULT_LINE, line)
            raise TooDeep("a device function calls itself too deeply: the thread's stack is used up")

    return descend
