"""Whether a launch fits a device: one pure decision, the same for every device."""

from __future__ import annotations

from rkruntime.device._api import DeviceProperties, Dim3
from rkruntime.errors import InvalidLaunch

__all__ = ("check_launch",)


def check_launch(kernel: str, properties: DeviceProperties, grid: Dim3, block: Dim3, shared_bytes: int) -> None:
    """Check a launch against the device's limits.

    Args:
        kernel: The kernel's name, for the error.
        properties: The device's limits.
        grid: Blocks in x, y, z.
        block: Threads per block in x, y, z.
        shared_bytes: Dynamic shared memory per block.

    Raises:
        InvalidLaunch: The first limit that does not hold, with the value and the mend.
    """
    _check_extent(kernel, "grid", grid, properties.max_grid)
    _check_extent(kernel, "block", block, properties.max_block)
    threads = block[0] * block[1] * block[2]
    if threads > properties.max_threads_per_block:
        raise InvalidLaunch(
            kernel,
            f"block {block} of",
            f"{threads} threads",
            f"at most {properties.max_threads_per_block} on {properties.name}",
            "take smaller blocks and more of them",
        )
    if not 0 <= shared_bytes <= properties.max_shared_bytes:
        raise InvalidLaunch(
            kernel,
            "shared_bytes",
            shared_bytes,
            f"0 to {properties.max_shared_bytes} on {properties.name}",
            "take less shared memory per block",
        )


def _check_extent(kernel: str, what: str, extent: Dim3, largest: Dim3) -> None:
    fits = all(1 <= size <= most for size, most in zip(extent, largest, strict=True))
    if not fits:
        raise InvalidLaunch(
            kernel, what, extent, f"1 to {largest} in x, y, z", f"mend the {what}, or leave it out for over="
        )
