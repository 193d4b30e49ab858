"""Device functions that call themselves: how deep they may go, and how they are stopped.

A CPU would end the process where the stack ends. So each function that can reach itself looks, as it begins, how far
its stack has grown, and whether the launch is cancelled: recursion without end need not be deep, and has no loop that
would look.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import FunctionType

from llvmlite import ir

from rkruntime.simt import _state, _stubs
from rkruntime.simt._context import LoopContext
from rkruntime.simt._numba import intrinsic, overload, types
from rkruntime.simt._parts import INLINE
from rkruntime.simt._rewrite import CONTEXT, Unit, called
from rkruntime.simt._switch import put, word

__all__ = ("DEEPEST_BYTES", "TooDeep", "add_descent", "recursive_functions", "stack_pointer")

WORD = ir.IntType(64)
DEEPEST_BYTES = 512 * 1024  # what CUDA can give a thread; a worker's own stack has 8 MiB


class TooDeep(RecursionError):
    """A device function has called itself until its thread's stack was used up."""


def recursive_functions(units: Mapping[FunctionType, Unit]) -> frozenset[FunctionType]:
    """Return the functions that can reach themselves by calls."""
    reached = {function: set(unit.devices.values()) for function, unit in units.items()}
    grown = True
    while grown:
        grown = False
        for callees in reached.values():
            further = set().union(*(reached.get(one, set()) for one in callees)) - callees
            callees |= further
            grown = grown or bool(further)
    return frozenset(function for function, callees in reached.items() if function in callees)


def add_descent(tree: ast.FunctionDef) -> ast.FunctionDef:
    """Let a definition look first how deep it is; `tree` is changed."""
    looks = ast.Expr(called("descend", ast.Name(CONTEXT, ast.Load()), ast.Constant(tree.lineno), at=tree))
    tree.body.insert(0, ast.fix_missing_locations(ast.copy_location(looks, tree)))
    return tree


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
