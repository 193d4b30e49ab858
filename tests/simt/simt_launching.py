"""One way to run a kernel in these tests: on the caller's thread, with the block of every test's choice."""

from typing import Any

from rkruntime import simt
from rkruntime.simt._schedule import InPlace


def run(
    function: Any,
    grid: Any,
    block: Any,
    *args: Any,
    shared: int = 0,
    lowering: str | None = None,
    width: int | None = None,
    **options: Any,
) -> simt.Special:
    """Compile and run; raise what a thread raised."""
    special = simt.Kernel(function, options=options, lowering=lowering, width=width).specialize(args)
    grid, block = (
        tuple((*extent, 1, 1)[:3] if isinstance(extent, tuple) else (extent, 1, 1)) for extent in (grid, block)
    )
    place = InPlace()
    error, _ = place.run(special, grid, block, args, shared)
    place.close()
    if error is not None:
        raise error
    return special


def blocks_for(size: int, block: int) -> int:
    """Return how many blocks cover `size` threads."""
    return -(-size // block)
