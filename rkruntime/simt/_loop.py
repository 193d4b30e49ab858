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
from rkruntime.simt._borrowed import borrowed
from rkruntime.simt._context import BLOCK_MASK, THREAD_MASK, LoopContext, make_context
from rkruntime.simt._numba import intrinsic, njit, types
from rkruntime.simt._parts import INLINE, PART
from rkruntime.simt._stubs import largest, smallest
from rkruntime.simt._switch import put, word
from rkruntime.simt.lanes._copies import make_copies

__all__ = ("first_block", "make_row", "make_run", "next_block", "place_of", "threads_of")

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


@intrinsic(prefer_literal=False)
def call_noting(typing_context, function, ctx, args, state):
    """Call `function(ctx, *args)`; if it raises, write block and thread to the state record and raise on."""
    arg_types = (ctx, *args.types)
    returned = function.get_call_type(typing_context, arg_types, {}).return_type

    def codegen(context, builder, signature, values):
        inner = function.get_call_type(typing_context, arg_types, {})
        compiled = function.dispatcher.get_compile_result(inner)
        context.add_linking_libs([compiled.library])
        given = [values[1], *(builder.extract_value(values[2], k) for k in range(len(args.types)))]
        status, result = context.call_internal_no_propagate(builder, compiled.fndesc, inner, given)
        with cgutils.if_unlikely(builder, status.is_error):
            proxy = cgutils.create_struct_proxy(LoopContext)(context, builder, values[1])
            record = builder.inttoptr(values[3], WORD.as_pointer())
            lane = builder.load(builder.gep(record, [ir.Constant(WORD, _state.FAULT_LANE)]))
            for k, axis in enumerate("xyz"):
                place, extent = getattr(proxy, "place" + axis), builder.zext(getattr(proxy, "dim" + axis), WORD)
                place = builder.add(place, lane) if axis == "x" else place
                for first, index in ((_state.BLOCK, builder.udiv), (_state.THREAD, builder.urem)):
                    builder.store(index(place, extent), builder.gep(record, [ir.Constant(WORD, first + k)]))
            context.call_conv.return_status_propagate(builder, status)
        return result

    return returned(function, ctx, args, types.int64), codegen


def make_row(body: Any = None, lanes: Any = None, width: int = 1) -> Any:
    """Build the function that runs neighbouring threads along x.

    Args:
        body: `body(ctx, *args)`, which runs one thread.
        lanes: Instead, `lanes(ctx, *args)`, which runs up to `width` threads, the first of which has that context.
        width: How many.
    """

    @njit(**OPTIONS, inline="always")
    def one_by_one(first, count, y, z, base, index, dim, grid, state, cancel, args):
        for k in range(count):
            place = (first + k, y, z)
            thread = (place[0] - base[0], y - base[1], z - base[2])
            call_noting(body, make_context(thread, place, index, dim, grid, state, cancel), args, state)

    if lanes is None:
        return one_by_one

    @njit(**OPTIONS, inline="always")
    def by_lanes(first, count, y, z, base, index, dim, grid, state, cancel, args):
        put(state, _state.LANES, width)
        for k in range(0, count, width):
            if count - k < width:
                put(state, _state.LANES, count - k)
            place = (first + k, y, z)
            thread = (place[0] - base[0], y - base[1], z - base[2])
            put(state, _state.FAULT_LANE, 0)
            call_noting(lanes, make_context(thread, place, index, dim, grid, state, cancel), args, state)
        put(state, _state.FAULT_LANE, 0)

    return by_lanes


def make_run(row: Any, limits: Any, *, wide: bool = False, private: tuple[int, ...] = ()) -> Any:
    """Build the function that runs a range of blocks of one kernel as loops.

    Args:
        row: What runs neighbouring threads along x, by `make_row`.
        limits: `limits(ctx, *args)`, which returns 12 integers.
        wide: Whether neighbouring blocks along x may be run as one wide block: the kernel knows its places in the grid
            alone, so that it cannot tell.
        private: Arguments of which a worker may have a copy.

    Returns:
        A numba function `run(first, last, grid, block, shared_bytes, state, args)`.
    """
    take, merge = make_copies(private)

    @njit(**OPTIONS)
    def run(first, last, grid, block, shared_bytes, state, args):
        cancel = word(state, _state.CONTROL) + 8 * _state.CANCEL
        put(state, _state.FAULT_LANE, 0)
        given = borrowed(args)
        mine = take(given, state, (last - first) * block[0] * block[1] * block[2])
        dim = threads_of(block)
        x, y, z = first_block(first, grid)
        while first < last:
            count = smallest(last - first, grid[0] - x) if wide else 1
            index, base = place_of(x, y, z, dim)
            of_block = make_context((0, 0, 0), base, index, dim, grid, state, cancel)
            allowed = call_noting(limits, of_block, given, state)
            first_x, count_x, first_y, count_y, first_z, count_z = rows_within(allowed, base, dim, count)
            for k_z in range(count_z):
                for k_y in range(count_y):
                    row(first_x, count_x, first_y + k_y, first_z + k_z, base, index, dim, grid, state, cancel, mine)
            first += count
            x, y, z = next_block(x, y, z, count, grid)
        merge(args, state)

    return run
