"""What kernels use of `numba.cuda`, on fibers: who and where a thread is, barriers, shared memory, warp operations.

Each function takes the context first, as `_features` lists them; the types of the results are numba-cuda's, apart from
thread and block indices, which are int64 as in the other lowering.

Shared memory is as CUDA gives it: not cleared, and the same for all threads of a block. A static array is laid out when
the first thread of a run meets it; dynamic arrays (shape 0) all begin at the start of the launch's dynamic block.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.core.registry import cpu_target
from numba.extending import overload
from numba.np.numpy_support import carray

from rkruntime.simt import _fiber_records as r
from rkruntime.simt import _warp as w
from rkruntime.simt._fiber_calls import record_of
from rkruntime.simt._fibers import count_in_block, met_in_block, wait_for_block
from rkruntime.simt._stacks import STATIC_SHARED_BYTES
from rkruntime.simt._switch import machine_code, native, put, word

WARP_SIZE = 32
ALIGNMENT = 16


@machine_code
def fixed(typing_context: Any, record: Any, k: Any) -> Any:
    """Read word `k` of a record that does not change while a thread runs, so that one read will do for many."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.gep(builder.inttoptr(args[0], ir.IntType(64).as_pointer()), [args[1]])
        value = builder.load(place)
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value

    return types.int64(types.int64, types.int64), codegen


def _of_thread(k: int) -> Callable[[Any], int]:
    return native(lambda ctx: fixed(record_of(ctx), k))


def _of_block(k: int) -> Callable[[Any], int]:
    return native(lambda ctx: fixed(fixed(record_of(ctx), r.BLOCK), k))


thread_x, thread_y, thread_z = (_of_thread(r.THREAD + k) for k in range(3))
block_x, block_y, block_z = (_of_block(r.BLOCK_INDEX + k) for k in range(3))
block_dim_x, block_dim_y, block_dim_z = (_of_block(r.BLOCK_DIM + k) for k in range(3))
grid_dim_x, grid_dim_y, grid_dim_z = (_of_block(r.GRID_DIM + k) for k in range(3))


@native
def grid_1(ctx: Any) -> int:
    """The thread's place in the grid, along x."""
    return thread_x(ctx) + block_x(ctx) * block_dim_x(ctx)


@native
def grid_2(ctx: Any) -> tuple[int, int]:
    """The thread's place in the grid, along x and y."""
    return grid_1(ctx), thread_y(ctx) + block_y(ctx) * block_dim_y(ctx)


@native
def grid_3(ctx: Any) -> tuple[int, int, int]:
    """The thread's place in the grid, along x, y and z."""
    x, y = grid_2(ctx)
    return x, y, thread_z(ctx) + block_z(ctx) * block_dim_z(ctx)


@native
def gridsize_1(ctx: Any) -> int:
    """Threads of the grid, along x."""
    return block_dim_x(ctx) * grid_dim_x(ctx)


@native
def gridsize_2(ctx: Any) -> tuple[int, int]:
    """Threads of the grid, along x and y."""
    return gridsize_1(ctx), block_dim_y(ctx) * grid_dim_y(ctx)


@native
def gridsize_3(ctx: Any) -> tuple[int, int, int]:
    """Threads of the grid, along x, y and z."""
    x, y = gridsize_2(ctx)
    return x, y, block_dim_z(ctx) * grid_dim_z(ctx)


@native
def laneid(ctx: Any) -> Any:
    """The thread's place in its warp."""
    return np.int32(fixed(record_of(ctx), r.LANE))


@native
def warpsize(ctx: Any) -> Any:
    """Threads of a warp."""
    return np.int32(WARP_SIZE)


@native
def cancel_flag(ctx: Any) -> int:
    """The launch's cancel flag, read anew."""
    return word(fixed(fixed(record_of(ctx), r.BLOCK), r.CANCEL), 0)


# Barriers.


@native
def syncthreads(ctx: Any) -> None:
    """Wait for the threads of the block that have not returned."""
    wait_for_block(record_of(ctx))


@native
def syncthreads_count(ctx: Any, predicate: Any) -> Any:
    """Wait, and return how many threads came with a true predicate."""
    return np.int32(count_in_block(record_of(ctx), predicate != 0))


@native
def syncthreads_and(ctx: Any, predicate: Any) -> Any:
    """Wait, and return 1 if every thread came with a true predicate, else 0."""
    thread = record_of(ctx)
    count = count_in_block(thread, predicate != 0)
    return np.int32(1 if count == met_in_block(thread) else 0)


@native
def syncthreads_or(ctx: Any, predicate: Any) -> Any:
    """Wait, and return 1 if any thread came with a true predicate, else 0."""
    return np.int32(1 if count_in_block(record_of(ctx), predicate != 0) != 0 else 0)


# Shared memory.


@native
def place_static(thread: int, slot: int, size: int) -> int:
    """Return the address of a static shared array, laying it out if this is the first thread to meet it."""
    block = word(thread, r.BLOCK)
    entry = block + 8 * (r.SLOTS + 2 * slot)
    offset = word(entry, 0) - 1
    if offset < 0:
        offset = (word(block, r.SHARED_USED) + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        if offset + size > STATIC_SHARED_BYTES:
            raise MemoryError("the static shared arrays of a block exceed 48 KiB together")
        put(block, r.SHARED_USED, offset + size)
        put(entry, 0, offset + 1)
        put(entry, 1, size)
    elif word(entry, 1) != size:
        raise MemoryError("one static shared array is used with two sizes: give each use a function of its own")
    return word(block, r.SHARED) + offset


@machine_code
def _pointer(typing_context: Any, address: Any, dtype: Any) -> Any:
    """View an address as a pointer to elements of `dtype`."""
    result = types.CPointer(dtype.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(result))

    return result(types.int64, dtype), codegen


def shared_array(ctx: Any, slot: int, shape: Any, dtype: Any) -> Any:
    """Return the block's shared array number `slot`; shape and dtype are constants, shape 0 is the dynamic block."""
    raise TypeError("shared_array is for compiled kernels alone")


@overload(shared_array, prefer_literal=True, jit_options={"nogil": True})
def _shared_array(ctx: Any, slot: Any, shape: Any, dtype: Any) -> Any:
    dims = _literal_dims(shape)
    itemsize = _item_bytes(dtype.dtype)
    if dims == (0,):
        return _dynamic_view(itemsize)
    size = math.prod(dims) * itemsize
    if size > STATIC_SHARED_BYTES:
        raise TypingError(f"a shared array of {size:,} bytes, and a block has {STATIC_SHARED_BYTES:,}")
    if slot.literal_value >= r.SLOT_COUNT:
        raise TypingError(f"more than {r.SLOT_COUNT} shared arrays in one kernel")

    def view(ctx: Any, slot: Any, shape: Any, dtype: Any) -> Any:
        return carray(_pointer(place_static(record_of(ctx), slot, size), dtype), dims)

    return view


def _dynamic_view(itemsize: int) -> Any:
    def view(ctx: Any, slot: Any, shape: Any, dtype: Any) -> Any:
        block = fixed(record_of(ctx), r.BLOCK)
        return carray(_pointer(fixed(block, r.DYNAMIC), dtype), (fixed(block, r.DYNAMIC_BYTES) // itemsize,))

    return view


def _literal_dims(shape: Any) -> tuple[int, ...]:
    """Return the extents that a shape's type spells out."""
    members: Any = (shape,)
    if isinstance(shape, types.BaseTuple):
        members = shape.types  # type: ignore[attr-defined]
    if not all(isinstance(member, types.IntegerLiteral) for member in members):
        raise TypingError("the shape of a shared array must be constant")
    return tuple(member.literal_value for member in members)


def _item_bytes(dtype: Any) -> int:
    """Return the bytes of one element as numba lays it out."""
    return int(cpu_target.target_context.get_abi_sizeof(cpu_target.target_context.get_data_type(dtype)))


# Warp operations.


def _travels(value: Any) -> bool:
    return value in (types.int32, types.uint32, types.int64, types.uint64, types.float32, types.float64)


@machine_code
def _bits(typing_context: Any, value: Any) -> Any:
    """Return a value's bits as an int64."""
    value = types.unliteral(value)
    if not _travels(value):
        raise TypingError(f"warp operations take 32- and 64-bit integers and floats, not {value}")

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        raw = builder.bitcast(args[0], ir.IntType(value.bitwidth))
        return raw if value.bitwidth == 64 else builder.zext(raw, ir.IntType(64))

    return types.int64(value), codegen


@machine_code
def _value(typing_context: Any, bits: Any, like: Any) -> Any:
    """Turn bits back into a value of the type of `like`."""
    like = types.unliteral(like)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        raw = args[0] if like.bitwidth == 64 else builder.trunc(args[0], ir.IntType(32))
        return builder.bitcast(raw, context.get_value_type(like))

    return like(types.int64, like), codegen


_sites = itertools.count(1)


@machine_code
def _site(typing_context: Any) -> Any:
    """Return a number that differs from one place in the source to the next."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(ir.IntType(64), next(_sites))

    return types.int64(), codegen


def _shuffle(operation: int) -> Any:
    def shuffle(ctx: Any, mask: Any, value: Any, lane: Any) -> Any:
        return _value(w.meet(record_of(ctx), operation, mask, _bits(value), lane), value)

    return native(shuffle)


def _vote(operation: int) -> Any:
    def vote(ctx: Any, mask: Any, predicate: Any) -> Any:
        return w.meet(record_of(ctx), operation, mask, predicate != 0, 0) != 0

    return native(vote)


shfl_sync = _shuffle(w.FROM_LANE)
shfl_up_sync = _shuffle(w.FROM_BELOW)
shfl_down_sync = _shuffle(w.FROM_ABOVE)
shfl_xor_sync = _shuffle(w.FROM_XOR)
all_sync = _vote(w.ALL)
any_sync = _vote(w.ANY)
eq_sync = _vote(w.EQUAL)


@native
def ballot_sync(ctx: Any, mask: Any, predicate: Any) -> Any:
    """Return the lanes of `mask` that came with a true predicate."""
    return np.int32(w.meet(record_of(ctx), w.BALLOT, mask, predicate != 0, 0))


@native
def match_any_sync(ctx: Any, mask: Any, value: Any) -> Any:
    """Return the lanes of `mask` that came with the same value as this one."""
    return np.int32(w.meet(record_of(ctx), w.MATCH_ANY, mask, _bits(value), 0))


@native
def match_all_sync(ctx: Any, mask: Any, value: Any) -> Any:
    """Return the mask and true if all its lanes came with one value, else 0 and false."""
    lanes = w.meet(record_of(ctx), w.MATCH_ALL, mask, _bits(value), 0)
    return np.int32(lanes), lanes != 0


@native
def syncwarp(ctx: Any, mask: Any = 0xFFFFFFFF) -> None:
    """Wait for the lanes of `mask`."""
    w.meet(record_of(ctx), w.SYNC, mask, 0, 0)


@native
def activemask(ctx: Any) -> Any:
    """Return the lanes of the warp that are here too when no thread of the block can go on elsewhere."""
    return np.uint32(w.ask_active(record_of(ctx), _site()))


@native
def lanemask_lt(ctx: Any) -> Any:
    """Return the lanes of the warp below this one."""
    return np.uint32((1 << fixed(record_of(ctx), r.LANE)) - 1)
