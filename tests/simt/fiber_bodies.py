"""Rewritten kernel bodies, written by hand, and a way to run them on fibers without the front end."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, typeof, types

from rkruntime.simt import _fiber_intrinsics, _intrinsics, _state  # noqa: F401 - these give the stubs their meaning
from rkruntime.simt import _stubs as s
from rkruntime.simt._fiber_calls import FiberContext
from rkruntime.simt._stacks import Arena
from rkruntime.simt._template import Kind, template_of
from rkruntime.simt._whole import Parts, put_together

f4, f8, i4, i8 = types.float32, types.float64, types.int32, types.int64
FULL = 0xFFFFFFFF


class FiberRig:
    """One worker's records and arena, and `run` functions by body."""

    def __init__(self) -> None:
        self.arena = Arena()
        self.control = np.zeros(_state.CONTROL_WORDS, np.int64)
        self.state = np.zeros(_state.STATE_WORDS, np.int64)
        self._runs: dict[Any, Any] = {}

    def run(self, body: Any, grid: Any, block: Any, *args: Any, shared_bytes: int = 0) -> None:
        """Run the blocks of a grid; extents may be plain numbers."""
        grid, block = (extent if isinstance(extent, tuple) else (extent, 1, 1) for extent in (grid, block))
        self.arena.reserve(block[0] * block[1] * block[2], shared_bytes)
        self.state[_state.STACKS] = self.arena.stacks
        self.state[_state.STACK_BYTES] = self.arena.stack_bytes
        self.state[_state.FRAMES] = self.arena.block
        self.state[_state.SHARED] = self.arena.shared
        self.state[_state.CONTROL] = self.control.ctypes.data
        argument_types = tuple(map(typeof, args))
        drive = self._runs.get((body, argument_types))
        if drive is None:
            drive = self._runs[body, argument_types] = compiled(body, argument_types)
        blocks = grid[0] * grid[1] * grid[2]
        self.control[_state.NEXT] = 0
        self.control[_state.TOTAL] = self.control[_state.CHUNK] = blocks
        drive(self.control.ctypes.data, self.state.ctypes.data, grid, block, shared_bytes, args)

    @property
    def place(self) -> tuple[list[int], list[int]]:
        """Block and thread of the last fault."""
        block, thread = (self.state[k : k + 3].tolist() for k in (_state.BLOCK, _state.THREAD))
        return block, thread


def compiled(body: Any, argument_types: tuple[Any, ...]) -> Any:
    """Return the driver that runs a body on fibers."""
    signature = (FiberContext, *argument_types)
    body.compile(signature)
    parts = Parts(FiberContext, body.overloads[signature], argument_types)
    return put_together(template_of(Kind("fibers", warps=True)), parts, vectors=False).entry_point


def body(function: Any) -> Any:
    """Compile as the front end does."""
    return njit(nogil=True, error_model="numpy")(function)


@body
def block_sums(ctx, x, out):
    shared = s.shared_array(ctx, 0, "1024", f4)
    thread, i = s.thread_idx(ctx, 0), s.grid_1(ctx)
    shared[thread] = x[i] if i < x.size else np.float32(0)
    s.syncthreads(ctx)
    step = s.block_dim(ctx, 0) // 2
    while step > 0:
        if thread < step:
            shared[thread] += shared[thread + step]
        s.syncthreads(ctx)
        step //= 2
    if thread == 0:
        out[s.block_idx(ctx, 0)] = shared[0]


@body
def tiled_product(ctx, a, b, c):
    left, right = s.shared_array(ctx, 0, "8,8", f8), s.shared_array(ctx, 1, "8,8", f8)
    column, row = s.grid_2(ctx)
    x, y = s.thread_idx(ctx, 0), s.thread_idx(ctx, 1)
    total = 0.0
    for tile in range((a.shape[1] + 7) // 8):
        left[y, x] = a[row, tile * 8 + x] if row < a.shape[0] and tile * 8 + x < a.shape[1] else 0.0
        right[y, x] = b[tile * 8 + y, column] if tile * 8 + y < b.shape[0] and column < b.shape[1] else 0.0
        s.syncthreads(ctx)
        for k in range(8):
            total += left[y, k] * right[k, x]
        s.syncthreads(ctx)
    if row < c.shape[0] and column < c.shape[1]:
        c[row, column] = total


@body
def scan(ctx, x, out):
    values = s.shared_array(ctx, 0, "0", i8)
    thread = s.thread_idx(ctx, 0)
    values[thread] = x[thread]
    s.syncthreads(ctx)
    reach = 1
    while reach < s.block_dim(ctx, 0):
        below = values[thread - reach] if thread >= reach else 0
        s.syncthreads(ctx)
        values[thread] += below
        s.syncthreads(ctx)
        reach *= 2
    out[thread] = values[thread]
    out[s.block_dim(ctx, 0)] = values.size


@body
def returns_early(ctx, out, stays):
    thread = s.thread_idx(ctx, 0)
    shared = s.shared_array(ctx, 0, "256", i4)
    if thread >= stays:
        return
    shared[thread] = thread
    s.syncthreads(ctx)
    out[thread] = shared[stays - 1 - thread]


@body
def leaves_loop_at_its_own_time(ctx, rounds, out):
    thread = s.thread_idx(ctx, 0)
    met = 0
    for _ in range(rounds[thread]):
        met += s.syncthreads_count(ctx, 1)
    out[thread] = met


@body
def sum_through_device_function(ctx, shared, value):
    thread, last = s.thread_idx(ctx, 0), s.block_dim(ctx, 0) - 1
    shared[thread] = value
    s.syncthreads(ctx)
    total = shared[thread] + shared[last - thread]
    s.syncthreads(ctx)
    return total


@body
def calls_device_function(ctx, x, out):
    shared = s.shared_array(ctx, 0, "64", f8)
    i = s.grid_1(ctx)
    out[i] = sum_through_device_function(ctx, shared, x[i]) + 10 * sum_through_device_function(ctx, shared, 2 * x[i])


@body
def raises_where(ctx, place, what):
    s.syncthreads(ctx)
    if s.grid_1(ctx) == place:
        if what == 0:
            raise ValueError("what it was told to")
        if what == 1:
            raise IndexError(place)
    s.syncthreads(ctx)


@body
def half_waits_elsewhere(ctx, out):
    if s.thread_idx(ctx, 0) % 2:
        s.syncwarp(ctx, FULL)
    else:
        s.syncthreads(ctx)
    out[0] = 1


@body
def mixes_barriers(ctx, out):
    if s.thread_idx(ctx, 0) % 2:
        s.syncthreads(ctx)
    else:
        out[s.thread_idx(ctx, 0)] = s.syncthreads_count(ctx, 1)


@body
def waits_for_ever(ctx, rounds, control):
    while True:
        s.syncthreads(ctx)
        if s.thread_idx(ctx, 0) == 0:
            rounds[0] += 1
            if rounds[0] == 1000:
                control[0] = 1


@body
def indices(ctx, out):
    x, y, z = s.grid_3(ctx)
    width, height, depth = s.gridsize_3(ctx)
    s.syncthreads(ctx)
    out[z, y, x, 0] = x + width * (y + height * z)
    out[z, y, x, 1] = s.laneid(ctx)
    out[z, y, x, 2] = depth


@body
def combines(ctx, predicate, out):
    thread = s.thread_idx(ctx, 0)
    out[0, thread] = s.syncthreads_count(ctx, predicate[thread])
    out[1, thread] = s.syncthreads_and(ctx, predicate[thread])
    out[2, thread] = s.syncthreads_or(ctx, predicate[thread])


@body
def three_arrays(ctx, out):
    bytes_, words, halves = (
        s.shared_array(ctx, 0, "5", types.int8),
        s.shared_array(ctx, 1, "4", f8),
        s.shared_array(ctx, 2, "3,3", f4),
    )
    thread = s.thread_idx(ctx, 0)
    if thread == 0:
        bytes_[:] = 1
        words[:] = 2.0
        halves[:] = 3.0
        out[3] = words.ctypes.data % 16
    s.syncthreads(ctx)
    out[0], out[1], out[2] = bytes_.sum(), words.sum(), halves.sum()


@body
def too_much_shared(ctx, out):
    first, second = s.shared_array(ctx, 0, "40000", types.int8), s.shared_array(ctx, 1, "40000", types.int8)
    out[0] = first[0] + second[0]
