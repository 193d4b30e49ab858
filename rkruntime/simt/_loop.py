"""The loop lowering: a block's threads as three nested loops around the kernel's body, which LLVM vectorises.

The guards that a kernel begins with (`if i < n:`) are the bounds of these loops: `limits` gives them for one block, as
the first place and the end of the places that pass, along x, y and z, and the same for thread indices. Threads outside
would do nothing, so they are not run.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,untyped-decorator,unused-ignore"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from rkruntime.simt import _state
from rkruntime.simt._context import BLOCK_MASK, THREAD_MASK, LoopContext, make_context
from rkruntime.simt._numba import njit, types
from rkruntime.simt._parts import INLINE, PART
from rkruntime.simt._seam import BODY, LIMITS, LIMITS_TYPE, merge, noting, take
from rkruntime.simt._stubs import largest, smallest
from rkruntime.simt._switch import put, word

__all__ = ("first_block", "make_run", "next_block", "place_of", "threads_of")

WORD = ir.IntType(64)
# Options under which the loops are compiled: numba's own, without its checks.
OPTIONS = {**PART, "error_model": "numpy"}


# What is the same for every kernel is compiled once in a process: numba's passes cost a kernel more than LLVM's do.
once = njit(**INLINE, error_model="numpy")


@once
def first_block(number: Any, grid: Any) -> Any:
    """Return where in the grid a block is that is given by its number."""
    return number % grid[0], number // grid[0] % grid[1], number // (grid[0] * grid[1])


@once
def next_block(x: Any, y: Any, z: Any, count: Any, grid: Any) -> Any:
    """Return which block follows after `count` blocks of a row."""
    x += count
    if x == grid[0]:
        x, y = 0, y + 1
        if y == grid[1]:
            y, z = 0, z + 1
    return x, y, z


@once
def place_of(x: Any, y: Any, z: Any, dim: Any) -> Any:
    """Return a block's index, and its first thread's place in the grid."""
    index = (x & BLOCK_MASK, y & BLOCK_MASK, z & BLOCK_MASK)
    return index, (index[0] * dim[0], index[1] * dim[1], index[2] * dim[2])


@once
def threads_of(block: Any) -> Any:
    """Return a block's extents, which LLVM then knows to be small."""
    return block[0] & THREAD_MASK, block[1] & THREAD_MASK, block[2] & THREAD_MASK


@once
def rows_within(allowed: Any, base: Any, dim: Any, count: Any) -> Any:
    """Return the first place along x, y and z that is run, each with how many follow.

    Args:
        allowed: What `limits` returned.
        base: The first thread's place.
        dim: The block's extents.
        count: How many blocks along x are run as one.
    """
    x, y, z = base
    first_x = largest(x, largest(allowed[0], x + allowed[6]))
    first_y = largest(y, largest(allowed[2], y + allowed[8]))
    first_z = largest(z, largest(allowed[4], z + allowed[10]))
    end_x = smallest(x + count * dim[0], smallest(allowed[1], x + allowed[7]))
    end_y = smallest(y + dim[1], smallest(allowed[3], y + allowed[9]))
    end_z = smallest(z + dim[2], smallest(allowed[5], z + allowed[11]))
    return first_x, end_x - first_x, first_y, end_y - first_y, first_z, end_z - first_z


def _note_place(context: Any, builder: ir.IRBuilder, ctx: ir.Value, record: ir.Value) -> None:
    """Write to the state record where the thread stands that raised: its vector's first, and which of these it is."""
    proxy = cgutils.create_struct_proxy(LoopContext)(context, builder, ctx)
    lane = builder.load(builder.gep(record, [ir.Constant(WORD, _state.FAULT_LANE)]))
    for k, axis in enumerate("xyz"):
        place, extent = getattr(proxy, "place" + axis), builder.zext(getattr(proxy, "dim" + axis), WORD)
        place = builder.add(place, lane) if axis == "x" else place
        for first, index in ((_state.BLOCK, builder.udiv), (_state.THREAD, builder.urem)):
            builder.store(index(place, extent), builder.gep(record, [ir.Constant(WORD, first + k)]))


call_body, call_limits = noting(BODY, types.none, _note_place), noting(LIMITS, LIMITS_TYPE, _note_place)


def make_row(width: int = 0) -> Any:
    """Build the function that runs neighbouring threads along x.

    Args:
        width: How many threads the kernel's body runs as a vector, or fewer, the first of which has the context;
            0 where it runs one thread.
    """

    @njit(**OPTIONS, inline="always")
    def one_by_one(first, count, y, z, base, index, dim, grid, state, cancel, frame):
        for k in range(count):
            place = (first + k, y, z)
            thread = (place[0] - base[0], y - base[1], z - base[2])
            call_body(make_context(thread, place, index, dim, grid, state, cancel), frame, state)

    if width == 0:
        return one_by_one

    @once  # LLVM makes it part of its caller; that numba does so is of use where LLVM is to find vectors
    def by_lanes(first, count, y, z, base, index, dim, grid, state, cancel, frame):
        put(state, _state.LANES, width)
        for k in range(0, count, width):
            if count - k < width:
                put(state, _state.LANES, count - k)
            place = (first + k, y, z)
            thread = (place[0] - base[0], y - base[1], z - base[2])
            put(state, _state.FAULT_LANE, 0)
            call_body(make_context(thread, place, index, dim, grid, state, cancel), frame, state)
        put(state, _state.FAULT_LANE, 0)

    return by_lanes


def make_run(width: int = 0, *, wide: bool = False) -> Any:
    """Build the function that runs a range of blocks as loops.

    Args:
        width: How many threads the kernel's body runs as a vector; 0 where it runs one thread.
        wide: Whether neighbouring blocks along x may be run as one wide block: the kernel knows its places in the grid
            alone, so that it cannot tell.

    Returns:
        A numba function `run(first, last, grid, block, shared_bytes, state, frame)`.
    """
    row = make_row(width)

    @njit(**OPTIONS, forceinline=True)
    def run(first, last, grid, block, shared_bytes, state, frame):
        cancel = word(state, _state.CONTROL) + 8 * _state.CANCEL
        put(state, _state.FAULT_LANE, 0)
        take(frame, state, (last - first) * block[0] * block[1] * block[2])
        dim = threads_of(block)
        x, y, z = first_block(first, grid)
        while first < last:
            count = smallest(last - first, grid[0] - x) if wide else 1
            index, base = place_of(x, y, z, dim)
            allowed = call_limits(make_context((0, 0, 0), base, index, dim, grid, state, cancel), frame, state)
            first_x, count_x, first_y, count_y, first_z, count_z = rows_within(allowed, base, dim, count)
            for k_z in range(count_z):
                for k_y in range(count_y):
                    row(first_x, count_x, first_y + k_y, first_z + k_z, base, index, dim, grid, state, cancel, frame)
            first += count
            x, y, z = next_block(x, y, z, count, grid)
        merge(frame, state, 0)

    return run
