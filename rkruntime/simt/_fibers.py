"""Threads as fibers: each thread of a block has a stack of its own, and a barrier changes stacks.

This lowering takes every control flow: barriers in loops that threads leave at different times, barriers inside device
functions, early returns before a barrier. The rule is the hardware's: a barrier opens when every thread that has not
returned waits at one.

Threads that can go on form a list; a thread that must wait takes the first of the list and changes to its stack, so one
thread and barrier cost one change of stacks. The last thread to arrive makes the list of those who wait the list of
those who go on, in the order in which they came. With nobody left to go on, control returns to the block's scheduler
(`run`), which sees why: all have returned, one has failed, the launch is cancelled, or no thread can ever go on.

Numba-compiled code returns its errors as a status. A thread's status is kept in the block's record, and the scheduler
returns it as its own, so an exception leaves `run` as if the scheduler had raised it; the other threads of the block
are dropped where they stand. (What they had allocated by then is lost, as always when compiled numba code raises.)
"""

from __future__ import annotations

from typing import Any

from rkruntime.simt import _fiber_records as r
from rkruntime.simt import _state
from rkruntime.simt._fiber_calls import call_catching, context_of, entry_of, raise_kept
from rkruntime.simt._fiber_records import leave, record_at, stop
from rkruntime.simt._stacks import LINE_BYTES, STATIC_SHARED_BYTES
from rkruntime.simt._switch import native, new_stack, put, switch, word
from rkruntime.simt._warp import answer_asking, settle_after_return

__all__ = ("make_run",)

WARP = 32
Extent = tuple[int, int, int]


class StuckThreads(Exception):
    """No thread of a block can ever go on; the driver makes a BarrierDivergence of it."""


@native
def raise_stuck(reason: int) -> None:
    """Raise, with constants alone: numba would need its environment for anything else."""
    if reason == r.MIXED_BARRIERS:
        raise StuckThreads(r.MIXED_BARRIERS)
    if reason == r.LANE_NOT_IN_MASK:
        raise StuckThreads(r.LANE_NOT_IN_MASK)
    if reason == r.TWO_BARRIERS:
        raise StuckThreads(r.TWO_BARRIERS)
    raise StuckThreads(r.STUCK)


@native
def open_barrier(block: int) -> None:
    """Let all go on who wait at the block's barrier."""
    put(block, r.FIRST_READY, word(block, r.FIRST_WAITING))
    put(block, r.LAST_READY, word(block, r.LAST_WAITING))
    put(word(block, r.LAST_WAITING), r.NEXT, 0)
    reducing = word(block, r.REDUCING)
    if reducing != 0:
        if reducing != word(block, r.ARRIVED):
            put(block, r.REASON, r.MIXED_BARRIERS)
            put(block, r.FIRST_READY, 0)
        put(block, r.MET, reducing)
        put(block, r.COUNTED, word(block, r.TRUE))
        put(block, r.TRUE, 0)
        put(block, r.REDUCING, 0)
    put(block, r.ARRIVED, 0)
    if word(word(block, r.CANCEL), 0) != 0:
        put(block, r.REASON, r.CANCELLED)
        put(block, r.FIRST_READY, 0)


@native
def wait_for_block(thread: int) -> None:
    """Wait until every thread of the block that has not returned waits here too."""
    block = word(thread, r.BLOCK)
    arrived = word(block, r.ARRIVED) + 1
    if arrived == 1:
        put(block, r.FIRST_WAITING, thread)
    else:
        put(word(block, r.LAST_WAITING), r.NEXT, thread)
    put(block, r.LAST_WAITING, thread)
    put(block, r.ARRIVED, arrived)
    if arrived == word(block, r.LIVE):
        open_barrier(block)
    leave(block, thread)


@native
def arrive_at(thread: int, line: int) -> None:
    """Say at which line this thread is about to wait; the block goes no further if others wait elsewhere."""
    block = word(thread, r.BLOCK)
    if word(block, r.ARRIVED) == 0:
        put(block, r.LINE, line)
    elif word(block, r.LINE) != line:
        state = word(block, r.STATE)
        put(state, _state.FAULT_LINE, line)
        put(state, _state.FAULT_INDEX, word(block, r.LINE))
        put(block, r.FAILED, thread)
        stop(block, thread, r.TWO_BARRIERS)


@native
def count_in_block(thread: int, predicate: int) -> int:
    """Wait as `wait_for_block`; return how many came with a true predicate."""
    block = word(thread, r.BLOCK)
    put(block, r.REDUCING, word(block, r.REDUCING) + 1)
    if predicate:
        put(block, r.TRUE, word(block, r.TRUE) + 1)
    wait_for_block(thread)
    return word(block, r.COUNTED)


@native
def met_in_block(thread: int) -> int:
    """How many threads the barrier of `count_in_block` held."""
    return word(word(thread, r.BLOCK), r.MET)


@native
def fail(thread: int, code: int, exception: int) -> None:
    """Leave the block for good: this thread has raised."""
    block = word(thread, r.BLOCK)
    put(block, r.CODE, code)
    put(block, r.EXCEPTION, exception)
    put(block, r.FAILED, thread)
    stop(block, thread, r.FAULT)


@native
def finish(thread: int) -> None:
    """Leave the block: this thread has returned. If all others wait at the block's barrier, they go on."""
    block = word(thread, r.BLOCK)
    live = word(block, r.LIVE) - 1
    put(block, r.LIVE, live)
    warp = word(thread, r.WARP)
    put(warp, r.WARP_LIVE, word(warp, r.WARP_LIVE) & ~(1 << word(thread, r.LANE)))
    if live > 0 and word(block, r.ARRIVED) == live:
        open_barrier(block)
    leave(block, thread)


@native
def finish_in_warp(thread: int) -> None:
    """Leave the block as `finish`; lanes of its warp that waited for this one alone go on too."""
    warp = word(thread, r.WARP)
    put(warp, r.WARP_LIVE, word(warp, r.WARP_LIVE) & ~(1 << word(thread, r.LANE)))
    if word(warp, r.WARP_WAITING) != 0:
        settle_after_return(word(thread, r.BLOCK), warp)
    finish(thread)


@native
def lay_out(state: int, block: int, stacks: int, shared: int, grid: Extent, dim: Extent, shared_bytes: int) -> int:
    """Write what is the same for all blocks of a run into the block's and the threads' records."""
    stack_bytes = word(state, _state.STACK_BYTES)
    put(block, r.STACKS, stacks)
    put(block, r.STATE, state)
    put(block, r.CANCEL, word(state, _state.CONTROL) + 8 * _state.CANCEL)
    put(block, r.SHARED, shared)
    put(block, r.DYNAMIC, shared + STATIC_SHARED_BYTES)
    put(block, r.DYNAMIC_BYTES, shared_bytes)
    put(block, r.LANE_STEP, stack_bytes - LINE_BYTES)
    for k in range(3):
        put(block, r.BLOCK_DIM + k, dim[k])
        put(block, r.GRID_DIM + k, grid[k])
    for k in range(2 * r.SLOT_COUNT):
        put(block, r.SLOTS + k, 0)
    put(block, r.SHARED_USED, 0)
    threads = dim[0] * dim[1] * dim[2]
    for k in range(threads):
        thread = record_at(stacks, stack_bytes, k)
        put(thread, r.BLOCK, block)
        put(thread, r.THREAD, k % dim[0])
        put(thread, r.THREAD + 1, k // dim[0] % dim[1])
        put(thread, r.THREAD + 2, k // (dim[0] * dim[1]))
        put(thread, r.WARP, record_at(stacks, stack_bytes, k - k % WARP))
        put(thread, r.LANE, k % WARP)
    return threads


@native
def start_block(state: int, block: int, threads: int, linear: int, entry: int) -> None:
    """Give every thread of the next block a fresh stack, and put all in the list of those that can go on."""
    stacks, stack_bytes = word(block, r.STACKS), word(state, _state.STACK_BYTES)
    across, down = word(block, r.GRID_DIM), word(block, r.GRID_DIM + 1)
    put(block, r.BLOCK_INDEX, linear % across)
    put(block, r.BLOCK_INDEX + 1, linear // across % down)
    put(block, r.BLOCK_INDEX + 2, linear // (across * down))
    for k in (r.ARRIVED, r.REDUCING, r.TRUE, r.REASON, r.ASKING, r.CODE, r.FAILED, r.AT_GRID, r.FIRST_AT_GRID):
        put(block, k, 0)
    put(block, r.LIVE, threads)
    following = 0
    for k in range(threads - 1, -1, -1):
        thread = record_at(stacks, stack_bytes, k)
        put(thread, r.SP, new_stack(thread, entry, thread))
        put(thread, r.NEXT, following)
        put(thread, r.MASK, 0)
        following = thread
        if k % WARP == 0:
            lanes = min(WARP, threads - k)
            put(thread, r.WARP_LIVE, (1 << lanes) - 1)
            put(thread, r.WARP_WAITING, 0)
    put(block, r.FIRST_READY, following)
    put(block, r.LAST_READY, record_at(stacks, stack_bytes, threads - 1))


@native
def note_place(state: int, block: int) -> None:
    """Write to the worker's record where the block stopped: at the failed thread, or at the first that waits."""
    thread = word(block, r.FAILED)
    for k in range(word(block, r.BLOCK_DIM) * word(block, r.BLOCK_DIM + 1) * word(block, r.BLOCK_DIM + 2)):
        at = record_at(word(block, r.STACKS), word(state, _state.STACK_BYTES), k)
        if thread == 0 and (word(word(at, r.WARP), r.WARP_LIVE) >> word(at, r.LANE)) & 1:
            thread = at
    for k in range(3):
        put(state, _state.BLOCK + k, word(block, r.BLOCK_INDEX + k))
        put(state, _state.THREAD + k, word(thread, r.THREAD + k) if thread != 0 else 0)


@native
def run_threads(block: int, _threads: int) -> int:
    """Run a block's threads until all have returned or none can go on; return the reason."""
    first = word(block, r.FIRST_READY)
    put(block, r.FIRST_READY, word(first, r.NEXT))
    switch(block + 8 * r.SCHEDULER_SP, word(first, r.SP))
    reason = word(block, r.REASON)
    return r.STUCK if reason == r.FINISHED and word(block, r.LIVE) != 0 else reason


@native
def run_warps(block: int, threads: int) -> int:
    """Run a block's threads as `run_threads`, answering those that ask who is active once none can go on."""
    while True:
        reason = run_threads(block, threads)
        if reason != r.STUCK or word(block, r.ASKING) == 0:
            return reason
        answer_asking(block, threads)


def make_thread(*, warps: bool) -> Any:
    """Build the function that a thread begins with, and never returns from."""
    leave_block = finish_in_warp if warps else finish

    @native
    def thread_main(thread: Any, frame: Any) -> None:
        code, exception = call_catching(context_of(thread), frame)
        if code != 0:
            fail(thread, code, exception)
        leave_block(thread)

    return thread_main


def make_run(*, warps: bool) -> Any:
    """Build the function that runs a range of blocks on fibers.

    Args:
        warps: Whether the kernel has warp operations; without them there is less to compile.

    Returns:
        A numba function `run(first, last, grid, block, shared_bytes, state, frame)`.
    """
    run_block = run_warps if warps else run_threads
    thread_main = make_thread(warps=warps)

    @native
    def run(first: Any, last: Any, grid: Any, block: Any, shared_bytes: Any, state: Any, frame: Any) -> None:
        record = word(state, _state.FRAMES)
        entry, saved = entry_of(thread_main, frame)
        stacks, shared = word(state, _state.STACKS), word(state, _state.SHARED)
        threads = lay_out(state, record, stacks, shared, grid, block, shared_bytes)
        put(record, r.ARGUMENTS, saved)
        for linear in range(first, last):
            start_block(state, record, threads, linear, entry)
            reason = run_block(record, threads)
            if reason == r.CANCELLED:
                return
            if reason != r.FINISHED:
                note_place(state, record)
                raise_kept(word(record, r.CODE), word(record, r.EXCEPTION))
                raise_stuck(reason)

    return run
