"""The two records of 8-byte words that Python and compiled code share, as numbers of words.

The state record is one per worker: compiled code writes to it where a thread failed. The control record is one per
launch, and all workers on it read it. Its counter has a cache line of its own, as every worker writes it, while loops
in kernels keep reading the flags.
"""

from __future__ import annotations

# The state record, one per worker.
BLOCK = 0  # x, y, z of the block whose thread failed
THREAD = 3  # x, y, z of that thread
FAULT_AXIS = 6  # of a subscript out of bounds, in debug mode
FAULT_INDEX = 7
STACKS = 8  # fibers: address of the lowest stack
STACK_BYTES = 9  # fibers: from one stack to the next
FRAMES = 10  # fibers: address of the block's record
SHARED = 11  # fibers: address of shared memory
CONTROL = 12  # address of the control record of the launch at hand
FAULT_EXTENT = 13  # of the axis that the subscript is outside of
FAULT_LINE = 14
FAULT_LANE = 15  # lanes: which of its vector's threads failed
STACK_LIMIT = 16  # address that the worker's own stack must not reach
COPIES = 17  # lanes: a bit for each argument that the worker has a copy of
LANES = 18  # lanes: how many threads of the vector there are
DYNAMIC_BYTES = 19  # lanes: of the block's dynamic shared memory
CHUNKS = 20  # to come back to Python after so many; 0 for never
PATIENCE = 21  # how often to look for what other threads are about to do, once no blocks are left
BELL = 22  # address of a word that counts launches that callers begin; 0 for none
STATE_WORDS = 23

# The control record, one per launch.
CANCEL = 0  # not 0: stop at once; loops in kernels look at it too
YIELD = 1  # not 0: come back after the chunk at hand
CHUNK = 2  # blocks to take at once, at most
TOTAL = 3  # blocks of the grid
PARTS = 4  # to take at most one part in so many of the blocks left, so that all end together; 0 for any
LEAST = 5  # but so many at least, and a multiple of them
HELPED = 6  # not 0: the caller's thread takes part
KEEPS_GIL = 7  # not 0: the caller keeps Python's lock meanwhile
NEXT = 8  # the first block that nobody has taken; compiled code adds to it atomically
DONE = 9  # blocks that have run, but for that of a probe; likewise
CONTROL_WORDS = 16
