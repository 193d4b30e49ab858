"""How the CUDA device polls: pure decisions, no clock."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ("best_block", "pause_s")

SPINS = 8
"""Looks at an event with no sleep between them: short kernels are done by then."""

FIRST_PAUSE_S = 10e-6
LONGEST_PAUSE_S = 1e-3
USUAL_BLOCK = 256


def pause_s(looks: int) -> float:
    """Return how long to sleep after looking at an event `looks` times, in seconds.

    Zero (a bare checkpoint) for the first few, then 10 µs doubled each time, up to 1 ms: waiting costs a long kernel
    at most 1 ms, and the loop at most 1,000 looks a second.
    """
    if looks < SPINS:
        return 0.0
    doublings = min(looks - SPINS, 16)
    return min(FIRST_PAUSE_S * (1 << doublings), LONGEST_PAUSE_S)


def best_block(active_blocks: Mapping[int, int]) -> int:
    """Choose the block size that keeps most threads active; among equals the one nearest to 256, the smaller first.

    Args:
        active_blocks: Threads per block to the number of such blocks that are active at once.
    """
    return max(active_blocks, key=lambda size: (size * active_blocks[size], -abs(size - USUAL_BLOCK), -size))
