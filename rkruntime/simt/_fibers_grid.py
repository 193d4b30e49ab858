"""Grid-wide barriers: all blocks of a launch stand side by side on one worker, each with its own stacks and memory.

A block runs until none of its threads can go on. Once that holds for all blocks, and every thread that has not returned
waits at the grid's barrier, all of them go on. So the rule of a block's barrier holds for the grid's: threads that have
returned are not waited for. A launch whose threads cannot all be there at once is refused beforehand, as CUDA does.
"""

from __future__ import annotations

from typing import Any

from rkruntime.simt import _fiber_records as r
from rkruntime.simt import _state
from rkruntime.simt._fiber_calls import entry_of, raise_kept
from rkruntime.simt._fiber_records import leave
from rkruntime.simt._fibers import (
    lay_out,
    make_thread,
    note_place,
    raise_stuck,
    run_threads,
    run_warps,
    start_block,
)
from rkruntime.simt._stacks import BLOCK_RECORD_BYTES, block_space_bytes
from rkruntime.simt._switch import native, put, word

__all__ = ("make_run", "wait_for_grid")

space_of = native(block_space_bytes)


@native
def wait_for_grid(thread: int) -> None:
    """Wait until every thread of the grid that has not returned waits here too."""
    block = word(thread, r.BLOCK)
    put(thread, r.NEXT, 0)
    if word(block, r.FIRST_AT_GRID) == 0:
        put(block, r.FIRST_AT_GRID, thread)
    else:
        put(word(block, r.LAST_AT_GRID), r.NEXT, thread)
    put(block, r.LAST_AT_GRID, thread)
    put(block, r.AT_GRID, word(block, r.AT_GRID) + 1)
    leave(block, thread)


@native
def open_for(block: int) -> None:
    """Let the threads of one block go on that wait at the grid's barrier."""
    put(block, r.FIRST_READY, word(block, r.FIRST_AT_GRID))
    put(block, r.LAST_READY, word(block, r.LAST_AT_GRID))
    put(block, r.FIRST_AT_GRID, 0)
    put(block, r.AT_GRID, 0)


def make_run(*, warps: bool) -> Any:
    """Build the function that runs a whole grid on fibers; the parameters are those of `_fibers.make_run`.

    The worker's shared memory holds, for each block, its record and then its static and dynamic shared memory.
    """
    run_block = run_warps if warps else run_threads
    thread_main = make_thread(warps=warps)

    @native
    def run(first: Any, last: Any, grid: Any, block: Any, shared_bytes: Any, state: Any, frame: Any) -> None:
        entry, saved = entry_of(thread_main, frame)
        threads = block[0] * block[1] * block[2]
        space, records = space_of(shared_bytes), word(state, _state.SHARED)
        for k in range(last - first):
            record = records + k * space
            stacks = word(state, _state.STACKS) + k * threads * word(state, _state.STACK_BYTES)
            lay_out(state, record, stacks, record + BLOCK_RECORD_BYTES, grid, block, shared_bytes)
            put(record, r.ARGUMENTS, saved)
            start_block(state, record, threads, first + k, entry)
        live = last - first
        while live > 0:
            live = 0
            for k in range(last - first):
                record = records + k * space
                if word(record, r.LIVE) == 0:
                    continue
                reason = run_block(record, threads)
                if reason == r.CANCELLED or word(word(record, r.CANCEL), 0) != 0:
                    return
                if reason != r.FINISHED and (reason != r.STUCK or word(record, r.AT_GRID) != word(record, r.LIVE)):
                    note_place(state, record)
                    raise_kept(word(record, r.CODE), word(record, r.EXCEPTION))
                    raise_stuck(reason)
                live += 1 if word(record, r.LIVE) != 0 else 0
            for k in range(last - first):
                if word(records + k * space, r.LIVE) != 0:
                    open_for(records + k * space)

    return run
