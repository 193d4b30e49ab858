"""What kernels use of `numba.cuda`, on fibers: who and where a thread is, barriers, shared memory, warp operations.

Every stub that a lowering must give, and those that fibers alone have, get their meaning for `FiberContext` here. The
types of the results are numba-cuda's.

Shared memory is as CUDA gives it: not cleared, and the same for all threads of a block. A static array is laid out when
the first thread of a run meets it; dynamic arrays (shape 0) all begin at the start of the launch's dynamic block.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,untyped-decorator"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.core.registry import cpu_target
from numba.extending import intrinsic, overload, overload_method
from numba.np.numpy_support import carray

from rkruntime.simt import _fiber_records as r
from rkruntime.simt import _stubs
from rkruntime.simt import _warp as w
from rkruntime.simt._fiber_calls import FiberContext, record_of
from rkruntime.simt._fibers import arrive_at, count_in_block, met_in_block, wait_for_block
from rkruntime.simt._fibers_grid import wait_for_grid
from rkruntime.simt._intrinsics import check_vote, dtype_of
from rkruntime.simt._parts import INLINE, PART
from rkruntime.simt._sizes import too_much_shared
from rkruntime.simt._stacks import LINE_BYTES, PAGE_BYTES, STATIC_SHARED_BYTES, THREAD_RECORD_BYTES
from rkruntime.simt._switch import machine_code, native, put, word

__all__ = ("place_static",)

ALIGNMENT = 16
ROOM_BYTES = 64 * 1024  # below the frame that looks: for functions that do not look, and for signal handlers
of_literals: Any = intrinsic(prefer_literal=True)
meet: Any = w.meet  # takes whatever numba makes an int64 of


@machine_code
def fixed(typing_context: Any, record: Any, k: Any) -> Any:
    """Read word `k` of a record that does not change while a thread runs, so that one read will do for many."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.gep(builder.inttoptr(args[0], ir.IntType(64).as_pointer()), [args[1]])
        value = builder.load(place)
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
        return value

    return types.int64(types.int64, types.int64), codegen


# Where a thread is.


@overload(_stubs.thread_idx, jit_options=INLINE, prefer_literal=True)
def _thread_idx(ctx, axis):
    if ctx != FiberContext:
        return None
    k = r.THREAD + axis.literal_value
    return lambda ctx, axis: np.int32(fixed(record_of(ctx), k))


def _define_of_block(stub: Any, first: int) -> None:
    @overload(stub, jit_options=INLINE, prefer_literal=True)
    def define(ctx, axis):
        if ctx != FiberContext:
            return None
        k = first + axis.literal_value
        return lambda ctx, axis: np.int32(fixed(fixed(record_of(ctx), r.BLOCK), k))


_define_of_block(_stubs.block_idx, r.BLOCK_INDEX)
_define_of_block(_stubs.block_dim, r.BLOCK_DIM)
_define_of_block(_stubs.grid_dim, r.GRID_DIM)


def _define_address(stub: Any, k: int) -> None:
    @overload(stub, jit_options=INLINE)
    def define(ctx):
        return (lambda ctx: fixed(fixed(record_of(ctx), r.BLOCK), k)) if ctx == FiberContext else None


_define_address(_stubs.cancel_address, r.CANCEL)
_define_address(_stubs.state_address, r.STATE)


# The address is that of the highest stack's lowest page, as seen from a record at the top of a stack: the records of
# neighbouring stacks differ by up to 64 cache lines, and a callee needs room too.
BELOW_LIMIT = 2 * PAGE_BYTES + 64 * LINE_BYTES + THREAD_RECORD_BYTES + ROOM_BYTES


@overload(_stubs.stack_limit, jit_options=INLINE)
def _stack_limit(ctx):
    if ctx != FiberContext:
        return None

    def limit(ctx):
        record = record_of(ctx)
        return record - fixed(fixed(record, r.BLOCK), r.LANE_STEP) + BELOW_LIMIT

    return limit


# Barriers.


@overload(_stubs.syncthreads, jit_options=PART)
def _syncthreads(ctx):
    return (lambda ctx: wait_for_block(record_of(ctx))) if ctx == FiberContext else None


@overload(_stubs.arriving, jit_options=PART)
def _arriving(ctx, line):
    if ctx != FiberContext:
        return None

    def arriving(ctx, line):
        arrive_at(record_of(ctx), line)
        return ctx

    return arriving


@native
def _all_true(thread: int, predicate: bool) -> int:
    return 1 if count_in_block(thread, predicate) == met_in_block(thread) else 0


@native
def _any_true(thread: int, predicate: bool) -> int:
    return 1 if count_in_block(thread, predicate) != 0 else 0


def _define_reducing(stub: Any, reduce: Any) -> None:
    @overload(stub, jit_options=PART)
    def define(ctx, predicate):
        if ctx != FiberContext:
            return None
        if not isinstance(predicate, types.Integer | types.Boolean):
            raise TypingError(f"the predicate of a barrier is a whole number or a truth value, not {predicate}")
        return lambda ctx, predicate: np.int32(reduce(record_of(ctx), predicate != 0))


_define_reducing(_stubs.syncthreads_count, count_in_block)
_define_reducing(_stubs.syncthreads_and, _all_true)
_define_reducing(_stubs.syncthreads_or, _any_true)


@overload(_stubs.this_grid, jit_options=PART)
def _this_grid(ctx):
    return (lambda ctx: ctx) if ctx == FiberContext else None


@overload_method(type(FiberContext), "sync")
def _sync(grid):
    def sync(grid):
        wait_for_grid(record_of(grid))
        return np.int32(0)

    return sync


# Shared memory.


@native
def place_static(thread: int, slot: int, size: int, alignment: int) -> int:
    """Return the address of a static shared array, laying it out if this is the first thread to meet it."""
    block = word(thread, r.BLOCK)
    entry = block + 8 * (r.SLOTS + 2 * slot)
    offset = word(entry, 0) - 1
    if offset < 0:
        shared = word(block, r.SHARED)
        offset = (shared + word(block, r.SHARED_USED) + alignment - 1) // alignment * alignment - shared
        if offset + size > STATIC_SHARED_BYTES:
            raise MemoryError("the static shared arrays of a block exceed 48 KiB together")
        put(block, r.SHARED_USED, offset + size)
        put(entry, 0, offset + 1)
        put(entry, 1, size)
    elif word(entry, 1) != size:
        raise MemoryError("one static shared array is used with two sizes: give each use a function of its own")
    return word(block, r.SHARED) + offset


@of_literals
def _pointer(typing_context: Any, address: Any, dtype: Any) -> Any:
    """View an address as a pointer to elements of `dtype`."""
    result = types.CPointer(dtype_of(dtype))

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], context.get_value_type(result))

    return result(types.int64, dtype), codegen


@overload(_stubs.shared_array, jit_options=PART, prefer_literal=True)
def _shared_array(ctx, site, shape, dtype):
    if ctx != FiberContext or not isinstance(shape, types.StringLiteral):
        return None
    dims = _stubs.parse_shape(shape.literal_value)
    alignment = max(ALIGNMENT, _stubs.parse_alignment(shape.literal_value))
    element = dtype_of(dtype)
    if element is None:
        raise TypingError(f"the dtype of a shared array is a type, such as float32, not {dtype}")
    itemsize = _item_bytes(element)
    if dims == (0,):
        return _dynamic_view(itemsize)
    size = math.prod(dims) * itemsize
    if size > STATIC_SHARED_BYTES:
        raise TypingError(too_much_shared(size))
    slot = site.literal_value
    if slot >= r.SLOT_COUNT:
        raise TypingError(f"more than {r.SLOT_COUNT} shared arrays in one kernel")

    def make(ctx, site, shape, dtype):
        return carray(_pointer(place_static(record_of(ctx), slot, size, alignment), dtype), dims)

    return make


def _dynamic_view(itemsize: int) -> Any:
    def view(ctx, site, shape, dtype):
        block = fixed(record_of(ctx), r.BLOCK)
        return carray(_pointer(fixed(block, r.DYNAMIC), dtype), (fixed(block, r.DYNAMIC_BYTES) // itemsize,))

    return view


def _item_bytes(dtype: Any) -> int:
    """Return the bytes of one element as numba lays it out."""
    context = cpu_target.target_context
    return int(context.get_abi_sizeof(context.get_data_type(dtype)))


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


def _define_shuffle(stub: Any, operation: int) -> None:
    @overload(stub, jit_options=PART)
    def define(ctx, mask, value, lane):
        if ctx != FiberContext:
            return None
        return lambda ctx, mask, value, lane: _value(
            meet(record_of(ctx), operation, np.int64(mask), _bits(value), np.int64(lane)), value
        )


def _define_vote(stub: Any, operation: int) -> None:
    @overload(stub, jit_options=PART)
    def define(ctx, mask, predicate):
        if ctx != FiberContext:
            return None
        check_vote(mask, predicate)
        return lambda ctx, mask, predicate: (
            meet(record_of(ctx), operation, np.int64(mask), np.int64(predicate != 0), 0) != 0
        )


_define_shuffle(_stubs.shfl_sync, w.FROM_LANE)
_define_shuffle(_stubs.shfl_up_sync, w.FROM_BELOW)
_define_shuffle(_stubs.shfl_down_sync, w.FROM_ABOVE)
_define_shuffle(_stubs.shfl_xor_sync, w.FROM_XOR)
_define_vote(_stubs.all_sync, w.ALL)
_define_vote(_stubs.any_sync, w.ANY)
_define_vote(_stubs.eq_sync, w.EQUAL)


@overload(_stubs.ballot_sync, jit_options=PART)
def _ballot_sync(ctx, mask, predicate):
    if ctx != FiberContext:
        return None
    check_vote(mask, predicate)
    return lambda ctx, mask, predicate: np.int32(
        meet(record_of(ctx), w.BALLOT, np.int64(mask), np.int64(predicate != 0), 0)
    )


@overload(_stubs.match_any_sync, jit_options=PART)
def _match_any_sync(ctx, mask, value):
    if ctx != FiberContext:
        return None
    return lambda ctx, mask, value: np.int32(meet(record_of(ctx), w.MATCH_ANY, np.int64(mask), _bits(value), 0))


@overload(_stubs.match_all_sync, jit_options=PART)
def _match_all_sync(ctx, mask, value):
    if ctx != FiberContext:
        return None

    def match(ctx, mask, value):
        lanes = meet(record_of(ctx), w.MATCH_ALL, np.int64(mask), _bits(value), 0)
        return np.int32(lanes), lanes != 0

    return match


@overload(_stubs.syncwarp, jit_options=PART)
def _syncwarp(ctx, mask):
    if ctx != FiberContext:
        return None

    def wait(ctx, mask):
        meet(record_of(ctx), w.SYNC, np.int64(mask), 0, 0)

    return wait


@overload(_stubs.activemask, jit_options=PART, prefer_literal=True)
def _activemask(ctx, site):
    if ctx != FiberContext:
        return None
    number = site.literal_value
    return lambda ctx, site: np.uint32(w.ask_active(record_of(ctx), number))
