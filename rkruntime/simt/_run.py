"""Running a compiled kernel from a script: checked, blocking, on one thread or on workers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from rkruntime.errors import InvalidLaunch
from rkruntime.simt._kernel import Special
from rkruntime.simt._runner import Extent, place_of_thread
from rkruntime.simt._schedule import Workers

__all__ = ("checked_extents", "run")

MAX_THREADS = 1024
MAX_BLOCK = (1024, 1024, 64)
MAX_GRID = (2**31 - 1, 65535, 65535)
MAX_SHARED_BYTES = 48 * 1024
IN_PLACE_NS = 5e6  # a launch shorter than this runs on the caller's thread, where Ctrl-C has to wait for it


def run(
    special: Special,
    grid: int | Sequence[int],
    block: int | Sequence[int],
    args: Sequence[Any],
    shared_bytes: int = 0,
    *,
    workers: Workers | None = None,
) -> None:
    """Run a compiled kernel and wait until it is over.

    Args:
        special: What `Kernel.specialize` made for arguments of these types.
        grid: Blocks, in up to three dimensions.
        block: Threads of a block, in up to three dimensions; 1,024 at most.
        args: The arguments; arrays are used as they are, not copied.
        shared_bytes: Dynamic shared memory of a block, up to 48 KiB.
        workers: Threads to run on; a single one by default.

    Raises:
        InvalidLaunch: Grid, block or shared memory beyond these limits.
        ArgumentMismatch: Other arguments than the kernel was specialised for.
        KernelFault: A thread of the kernel raised.
        LaunchCancelled: The workers were closed. A KeyboardInterrupt stops the launch and is raised on.
    """
    extents = checked_extents(special.name, grid, block, shared_bytes)
    special.check(args)
    if workers is not None:
        error = workers.run(special, *extents, tuple(args), shared_bytes)
    elif special.ns_per_block is not None and special.ns_per_block * math.prod(extents[0]) < IN_PLACE_NS:
        error, _ = place_of_thread().run(special, *extents, tuple(args), shared_bytes)
    else:
        alone = Workers(1)
        try:
            error = alone.run(special, *extents, tuple(args), shared_bytes)
        finally:
            alone.close()
    if error is not None:
        raise error


def checked_extents(
    kernel: str, grid: int | Sequence[int], block: int | Sequence[int], shared_bytes: int
) -> tuple[Extent, Extent]:
    """Bring grid and block to three dimensions, and check that a launch is within the limits of CUDA devices.

    Args:
        kernel: The kernel's name, for the error.
        grid: Blocks, in up to three dimensions.
        block: Threads of a block, in up to three dimensions.
        shared_bytes: Dynamic shared memory of a block.

    Raises:
        InvalidLaunch: The first limit that does not hold.
    """
    return _checked(kernel, _fixed(grid), _fixed(block), shared_bytes)


def _fixed(given: int | Sequence[int]) -> int | tuple[int, ...]:
    return given if isinstance(given, int) else tuple(given)


@lru_cache(256)  # most launches are as one before
def _checked(
    kernel: str, grid: int | tuple[int, ...], block: int | tuple[int, ...], shared_bytes: int
) -> tuple[Extent, Extent]:
    extents = _extent(kernel, "grid", grid, MAX_GRID), _extent(kernel, "block", block, MAX_BLOCK)
    threads = math.prod(extents[1])
    if threads > MAX_THREADS:
        mend = "take smaller blocks and more of them"
        raise InvalidLaunch(kernel, "block", extents[1], f"at most {MAX_THREADS} threads, not {threads}", mend)
    if not 0 <= shared_bytes <= MAX_SHARED_BYTES:
        mend = "take less shared memory per block"
        raise InvalidLaunch(kernel, "shared_bytes", shared_bytes, f"0 to {MAX_SHARED_BYTES}", mend)
    return extents


def _extent(kernel: str, what: str, given: int | tuple[int, ...], most: Extent) -> Extent:
    """Bring an extent to three dimensions, and check it."""
    sizes = (given,) if isinstance(given, int) else given
    x, y, z = (*sizes, 1, 1, 1)[:3]
    if not 1 <= len(sizes) <= 3 or not all(1 <= size <= top for size, top in zip((x, y, z), most, strict=True)):
        raise InvalidLaunch(kernel, what, sizes, f"1 to {most} in x, y, z", f"mend the {what}")
    return int(x), int(y), int(z)
