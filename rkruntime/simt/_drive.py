"""Handing out blocks without the GIL: chunks from the launch's counter, until none are left or a flag says to stop."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import platform

from llvmlite import ir

from rkruntime.simt import _state
from rkruntime.simt._descent import DEEPEST_BYTES, stack_pointer
from rkruntime.simt._intrinsics import read_anew
from rkruntime.simt._numba import intrinsic, njit, types
from rkruntime.simt._parts import INLINE
from rkruntime.simt._seam import run
from rkruntime.simt._stubs import largest, smallest
from rkruntime.simt._switch import put, word

__all__ = ("drive",)

WORD = ir.IntType(64)
PAUSES = {"x86_64": "pause", "AMD64": "pause", "aarch64": "yield", "arm64": "yield"}


@intrinsic
def add(typing_context, record, k, count):
    """Add `count` to word `k` of a record, after all that the thread wrote before; return what the word was."""

    def codegen(context, builder, signature, args):
        place = builder.gep(builder.inttoptr(args[0], WORD.as_pointer()), [args[1]])
        return builder.atomic_rmw("add", place, args[2], "release")

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def done(typing_context, control):
    """Return how many blocks have run; what they wrote can be read then."""

    def codegen(context, builder, signature, args):
        place = builder.gep(builder.inttoptr(args[0], WORD.as_pointer()), [WORD(_state.DONE)])
        return builder.load_atomic(place, "acquire", 8, typ=WORD)

    return types.int64(types.int64), codegen


@intrinsic
def pause(typing_context):
    """Let a thread that looks at memory again and again hold up others less."""

    def codegen(context, builder, signature, args):
        instruction = PAUSES.get(platform.machine())
        if instruction is not None:
            builder.asm(ir.FunctionType(ir.VoidType(), []), instruction, "", [], side_effect=True)
        return context.get_dummy_value()

    return types.none(), codegen


@njit(**INLINE, error_model="numpy")
def size_of_chunk(control, total):
    """Return how many blocks to take: fewer the fewer are left."""
    most = read_anew(control + 8 * _state.CHUNK)
    parts = read_anew(control + 8 * _state.PARTS)
    if parts == 0:
        return most
    least = read_anew(control + 8 * _state.LEAST)
    left = total - read_anew(control + 8 * _state.NEXT)
    return smallest(most, largest(left // parts // least, 1) * least)


@njit(**INLINE, error_model="numpy")
def await_others(control, state, total):
    """Look for a moment for what is about to happen, with no blocks left: to sleep and be woken takes longer.

    A caller waits until all blocks have run. A worker waits until the caller has seen that, and launches again perhaps:
    it needs the GIL for both, and would wait for the worker to give it back.
    """
    turns, bell = word(state, _state.PATIENCE), word(state, _state.BELL)
    if word(state, _state.CHUNKS) != 0:
        while turns > 0 and done(control) < total and read_anew(control + 8 * _state.CANCEL) == 0:
            pause()
            turns -= 1
    elif bell != 0 and read_anew(control + 8 * _state.HELPED) != 0:
        rung = read_anew(bell)
        while turns > 0 and read_anew(bell) == rung and read_anew(control + 8 * _state.CANCEL) == 0:
            pause()
            turns -= 1


@njit(**INLINE, error_model="numpy")
def drive(control, state, grid, block, shared_bytes, frame):
    """Run blocks for a worker: at least one chunk, unless the launch is cancelled.

    It comes back after as many chunks as the state record says, and may wait a moment once there are no more blocks.

    Args:
        control: Address of the control record.
        state: Address of the state record.
        grid: Three extents.
        block: Three extents.
        shared_bytes: Dynamic shared memory of a block.
        frame: Where the kernel's arguments are.
    """
    put(state, _state.STACK_LIMIT, stack_pointer() - DEEPEST_BYTES)
    total = read_anew(control + 8 * _state.TOTAL)
    chunks, bell = word(state, _state.CHUNKS), word(state, _state.BELL)
    if chunks != 0 and bell != 0:
        add(bell, 0, 1)
    while read_anew(control + 8 * _state.CANCEL) == 0:
        chunk = size_of_chunk(control, total)
        first = add(control, _state.NEXT, chunk)
        if first >= total:
            await_others(control, state, total)
            return
        last = smallest(first + chunk, total)
        run(first, last, grid, block, shared_bytes, state, frame)
        add(control, _state.DONE, last - first)
        chunks -= 1
        if chunks == 0 or read_anew(control + 8 * _state.YIELD) != 0:
            return
