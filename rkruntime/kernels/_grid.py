"""From what a caller says (`over=`, or `grid=` and `block=`) to blocks and threads in x, y and z."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from rkruntime.device import Dim3
from rkruntime.errors import InvalidLaunch

__all__ = ("Extent", "resolve")

Extent: TypeAlias = int | Sequence[int]

BLOCKS: dict[int, Dim3] = {1: (256, 1, 1), 2: (16, 16, 1), 3: (8, 8, 4)}
"""Threads a block by the number of axes, where neither the launch nor the kernel says."""


def resolve(
    kernel: str, over: Extent | None, grid: Extent | None, block: Extent | None, hint: Extent | None
) -> tuple[Dim3, Dim3]:
    """Return the grid and the block of a launch.

    `over=(n0, n1)` follows `i, j = cuda.grid(2)`: a thread for each i in range(n0) and j in range(n1), so the first
    length runs along x. There are as many blocks as cover it; what lies beyond is the kernel's guard's.

    Args:
        kernel: The kernel's name, for the error.
        over: One thread an element: a length, or up to three.
        grid: Blocks, in place of `over`.
        block: Threads a block.
        hint: The block that the kernel likes.

    Raises:
        InvalidLaunch: Neither or both of `over` and `grid`, or lengths that are no positive whole numbers.
    """
    try:
        return _resolve_cached(kernel, over, grid, block, hint)
    except TypeError:  # a list cannot be hashed
        return _resolve(kernel, over, grid, block, hint)


def _resolve(
    kernel: str, over: Extent | None, grid: Extent | None, block: Extent | None, hint: Extent | None
) -> tuple[Dim3, Dim3]:
    if (over is None) == (grid is None):
        both = "neither over nor grid" if over is None else f"over={over} and grid={grid}"
        mend = "give over=, the number of elements or the shape to work on, or grid= with block="
        raise InvalidLaunch(kernel, "launch with", both, "one of the two", mend)
    asked = over if over is not None else grid
    assert asked is not None
    extent, axes = _extent(kernel, "over" if over is not None else "grid", asked)
    threads = _block(kernel, block, hint, axes)
    if over is None:
        return extent, threads
    for axis in range(axes, 3):
        if threads[axis] > 1:
            mend = f"give a block of {axes} length{'s' if axes > 1 else ''}, or over= with as many as the block has"
            raise InvalidLaunch(kernel, "block", block, f"no more axes than over={over}", mend)
    x, y, z = (-(-length // size) for length, size in zip(extent, threads, strict=True))
    return (x, y, z), threads


_resolve_cached = lru_cache(maxsize=1024)(_resolve)


def _block(kernel: str, block: Extent | None, hint: Extent | None, axes: int) -> Dim3:
    if block is not None:
        return _extent(kernel, "block", block)[0]
    if hint is not None:
        threads, lengths = _extent(kernel, "block", hint)
        if lengths <= axes:
            return threads
    return BLOCKS[axes]


def _extent(kernel: str, what: str, value: Extent) -> tuple[Dim3, int]:
    try:
        lengths = [value.__index__()] if hasattr(value, "__index__") else [each.__index__() for each in value]
    except (AttributeError, TypeError):
        lengths = []
    if not 1 <= len(lengths) <= 3 or min(lengths) < 1:
        raise InvalidLaunch(
            kernel,
            what,
            repr(value),
            "one to three whole numbers, each 1 or more",
            f"give {what}=1024 or {what}=(64, 64), as ints; launch nothing over nothing",
        )
    x, y, z = (*lengths, 1, 1)[:3]
    return (x, y, z), len(lengths)
