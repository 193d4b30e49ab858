"""Size classes: which block a request gets, and which blocks are carved out of slabs.

Classes are powers of two from 256 B up to 1 MiB. Above 1 MiB each doubling is split in four steps (1, 1.25, 1.5, 1.75),
and a request whose class has no idle block takes one of the next three classes, so less than twice its own, before the
device is asked. Why: five traces of request sizes, replayed by `bench/bench_pools.py`. Waste is the part of the
allocated bytes that nobody asked for; reserved is its peak over the peak of what was asked, with nothing released.

| trace                      | powers of two: waste, reserved | split alone | split, and the next three |
|----------------------------|--------------------------------|-------------|---------------------------|
| ResNet-50 training steps   | 32 %, 2.13                     | 10 %, 2.23  | 18 %, 1.59                |
| GPT-2 steps, many lengths  | 35 %, 2.45                     | 10 %, 3.41  | 22 %, 1.39                |
| filters over photos        | 34 %, 2.89                     | 8 %, 2.04   | 12 %, 1.85                |
| studies on square grids    | 13 %, 2.15                     | 5 %, 2.05   | 7 %, 1.96                 |
| series, log-uniform        | 30 %, 2.02                     | 9 %, 3.33   | 17 %, 1.77                |

The split alone wastes least but keeps more idle, since a class serves fewer requests; with the next three classes it is
below powers of two in both, on every trace. Sizes are published or usual ones; lifetimes are modelled, not recorded.

Pure: no clock, no device.
"""

from __future__ import annotations

__all__ = (
    "MIN_BLOCK_BYTES",
    "SLAB_BYTES",
    "SPLIT_ABOVE_BYTES",
    "block_bytes",
    "is_carved",
    "larger_classes",
    "slab_bytes",
)

MIN_BLOCK_BYTES = 256
SPLIT_ABOVE_BYTES = 2**20
SLAB_BYTES = 2**20
_CARVED_PER_SLAB = 16
_SLABS_PER_LIMIT = 64
_BORROW_STEPS = 3


def block_bytes(size_bytes: int) -> int:
    """Return the size of the block that a request of `size_bytes` (0 or more) gets."""
    if size_bytes <= MIN_BLOCK_BYTES:
        return MIN_BLOCK_BYTES
    bits = (size_bytes - 1).bit_length()
    if size_bytes <= SPLIT_ABOVE_BYTES:
        return 1 << bits
    step = bits - 3
    return (((size_bytes - 1) >> step) + 1) << step


def larger_classes(block: int) -> tuple[int, ...]:
    """Return the classes whose idle blocks may serve a request of class `block`, the nearest first."""
    larger: list[int] = []
    if block >= SPLIT_ABOVE_BYTES:
        for _ in range(_BORROW_STEPS):
            larger.append(block_bytes((larger or [block])[-1] + 1))
    return tuple(larger)


def slab_bytes(limit_bytes: int) -> int:
    """Return the slab size for a memory limit: 1 MiB, less where that would be a large part of the limit."""
    share = max(limit_bytes // _SLABS_PER_LIMIT, 1)
    return min(SLAB_BYTES, 1 << (share.bit_length() - 1))


def is_carved(size_bytes: int, slab: int) -> bool:
    """Whether blocks of `size_bytes` are carved out of slabs of `slab` bytes, at least 16 from each."""
    return size_bytes * _CARVED_PER_SLAB <= slab
