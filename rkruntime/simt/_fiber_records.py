"""Where things are in a block's and a thread's record, as numbers of 8-byte words, and the lists threads stand in.

A record is raw memory that compiled code reads and writes with `word` and `put`. The block's record is one per
worker and is written anew for each block; a thread's record lies at the top of its stack.
"""

from __future__ import annotations

from rkruntime.simt._stacks import thread_record
from rkruntime.simt._switch import native, put, switch, word

# A thread's record. The first eight words are one cache line: all that a barrier needs.
SP = 0  # where its stack was left
NEXT = 1  # the thread after it in the list it stands in, or 0
BLOCK = 2  # the block's record
THREAD = 3  # its x, y and z in the block: three words
WARP = 6  # the record of lane 0 of its warp
LANE = 7
MASK = 8  # lanes it waits for in a warp operation, or 0
OPERATION = 9
VALUE = 10
SOURCE = 11
ANSWER = 12
WARP_LIVE = 13  # lanes that have not returned; in lane 0's record alone, as the next
WARP_WAITING = 14  # lanes that wait in a warp operation

# The block's record.
FIRST_READY = 0
LAST_READY = 1
FIRST_WAITING = 2
LAST_WAITING = 3
ARRIVED = 4  # threads at the block's barrier
LIVE = 5  # threads that have not returned
SCHEDULER_SP = 6
CANCEL = 7  # address of the launch's cancel flag
REDUCING = 8  # of those arrived: how many at syncthreads_count, _and, _or
TRUE = 9  # of those reducing: how many with a true predicate
MET = 10  # how many threads the barrier that opened last held
COUNTED = 11  # how many of those had a true predicate
REASON = 12  # why control went back to the scheduler
CODE = 13  # a failed thread's status and its exception
EXCEPTION = 14
FAILED = 15  # the failed thread's record
STATE = 16  # the worker's record
ARGUMENTS = 17  # address of the kernel's arguments
SHARED = 18  # static shared memory
SHARED_USED = 19  # bytes of it that this block has laid out
DYNAMIC = 20  # dynamic shared memory
DYNAMIC_BYTES = 21
LANE_STEP = 22  # bytes from one lane's record to the next
ASKING = 23  # threads that wait in activemask
BLOCK_INDEX = 24  # x, y, z
BLOCK_DIM = 27
GRID_DIM = 30
SLOTS = 34  # per static shared array: its offset + 1, and its bytes
SLOT_COUNT = 234
STACKS = 502  # address of the block's lowest stack
AT_GRID = 503  # threads at the grid's barrier, and the list of them
FIRST_AT_GRID = 504
LAST_AT_GRID = 505
LINE = 506  # debug mode: of the barrier where threads wait

# Reasons.
FINISHED, FAULT, STUCK, CANCELLED, MIXED_BARRIERS, LANE_NOT_IN_MASK, TWO_BARRIERS = range(7)


record_at = native(thread_record)


@native
def make_ready(block: int, thread: int) -> None:
    """Put a thread at the end of those that can go on."""
    put(thread, NEXT, 0)
    if word(block, FIRST_READY) == 0:
        put(block, FIRST_READY, thread)
    else:
        put(word(block, LAST_READY), NEXT, thread)
    put(block, LAST_READY, thread)


@native
def leave(block: int, thread: int) -> None:
    """Leave this thread where it stands, for the first that can go on, or for the scheduler if none can."""
    following = word(block, FIRST_READY)
    if following == thread:
        put(block, FIRST_READY, word(thread, NEXT))
    elif following != 0:
        put(block, FIRST_READY, word(following, NEXT))
        switch(thread + 8 * SP, word(following, SP))
    else:
        switch(thread + 8 * SP, word(block, SCHEDULER_SP))


@native
def stop(block: int, thread: int, reason: int) -> None:
    """Leave this thread for good: the block goes no further, for `reason`."""
    put(block, REASON, reason)
    switch(thread + 8 * SP, word(block, SCHEDULER_SP))
