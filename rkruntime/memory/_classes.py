"""Size classes: which block a request gets, and which blocks are carved out of slabs.

Classes are powers of two from 256 B up to 1 MiB. Above 1 MiB each doubling is split in four steps (1, 1.25, 1.5, 1.75).
Why: `bench/bench_pools.py` replays five traces of request sizes under both rules; see `docs/design/memory.md` for the
figures. Waste is what the blocks hold beyond what was asked; the split about halves it or better on every trace.

Pure: no clock, no device.
"""

from __future__ import annotations

__all__ = ("MIN_BLOCK_BYTES", "SLAB_BYTES", "SPLIT_ABOVE_BYTES", "block_bytes", "is_carved", "slab_bytes")

MIN_BLOCK_BYTES = 256
SPLIT_ABOVE_BYTES = 2**20
SLAB_BYTES = 2**20
_CARVED_PER_SLAB = 16
_SLABS_PER_LIMIT = 64


def block_bytes(size_bytes: int) -> int:
    """Return the size of the block that a request of `size_bytes` (0 or more) gets."""
    if size_bytes <= MIN_BLOCK_BYTES:
        return MIN_BLOCK_BYTES
    bits = (size_bytes - 1).bit_length()
    if size_bytes <= SPLIT_ABOVE_BYTES:
        return 1 << bits
    step = bits - 3
    return (((size_bytes - 1) >> step) + 1) << step


def slab_bytes(limit_bytes: int) -> int:
    """Return the slab size for a memory limit: 1 MiB, less where that would be a large part of the limit."""
    share = max(limit_bytes // _SLABS_PER_LIMIT, 1)
    return min(SLAB_BYTES, 1 << (share.bit_length() - 1))


def is_carved(size_bytes: int, slab: int) -> bool:
    """Whether blocks of `size_bytes` are carved out of slabs of `slab` bytes, at least 16 from each."""
    return size_bytes * _CARVED_PER_SLAB <= slab
