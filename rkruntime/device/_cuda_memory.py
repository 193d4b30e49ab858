"""Memory of the CUDA device: numba-cuda's arrays of bytes, kept by address."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rkruntime.device._cuda_numba import numba_cuda
from rkruntime.errors import BufferMisuse

__all__ = ("CudaMemory",)


class CudaMemory:
    """Device and staging memory by address; freed blocks go back to the driver only while the device is idle.

    The driver's free waits for all work on the device, and would hold the Trio thread for as long as a kernel runs.

    Args:
        idle: Whether no work is in flight.
    """

    def __init__(self, idle: Callable[[], bool]) -> None:
        self._idle = idle
        self._blocks: dict[int, Any] = {}
        self._order: list[int] = []
        self._staging: dict[int, Any] = {}
        self._trash: list[Any] = []

    @property
    def live_blocks(self) -> int:
        """Device blocks taken and not freed."""
        return len(self._blocks)

    def allocate(self, size_bytes: int) -> int:
        """Take device memory; whatever the driver raises comes through."""
        self.release_idle()
        block = numba_cuda().device_array(size_bytes, np.uint8)
        address = int(block.__cuda_array_interface__["data"][0])
        self._blocks[address] = block
        bisect.insort(self._order, address)
        return address

    def free(self, address: int, size_bytes: int) -> None:
        """Free a block that `allocate` gave.

        Raises:
            BufferMisuse: It is not ours, or was freed before.
        """
        if address not in self._blocks:
            raise BufferMisuse(
                "freed twice, or not one of this device's addresses",
                f"CUDA memory, address {address:#x}, {size_bytes:,} bytes",
                "free what allocate gave, once",
            )
        self._order.remove(address)
        self._trash.append(self._blocks.pop(address))
        self.release_idle()

    def allocate_staging(self, size_bytes: int) -> int:
        """Take pinned host memory."""
        pinned = numba_cuda().pinned_array(size_bytes, np.uint8)
        address = int(pinned.ctypes.data)
        self._staging[address] = pinned
        return address

    def free_staging(self, address: int, size_bytes: int) -> None:
        """Free what `allocate_staging` gave.

        Raises:
            BufferMisuse: It is not ours, or was freed before.
        """
        if address not in self._staging:
            raise BufferMisuse(
                "freed twice, or not one of this device's addresses",
                f"staging memory, address {address:#x}, {size_bytes:,} bytes",
                "free what allocate_staging gave, once",
            )
        self._trash.append(self._staging.pop(address))
        self.release_idle()

    def view(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """View bytes of a live block as a C-ordered device array.

        Raises:
            BufferMisuse: They do not lie in one live block.
        """
        size_bytes = math.prod(shape) * dtype.itemsize
        position = bisect.bisect_right(self._order, address) - 1
        base = self._order[position] if position >= 0 else -1
        block = self._blocks.get(base)
        start = address - base
        if block is None or start + size_bytes > block.size:
            raise BufferMisuse(
                "no live block holds this array",
                f"CUDA memory, address {address:#x}, shape {shape}, {dtype}",
                "view memory between its allocate and its free, within its size",
            )
        return block[start : start + size_bytes].view(dtype).reshape(shape)

    def release_idle(self) -> None:
        """Let the driver have what was freed, if no work is in flight."""
        if self._trash and self._idle():
            self.release()

    def release(self) -> None:
        """Let the driver have what was freed; waits for the device."""
        self._trash.clear()
        manager = numba_cuda().current_context().memory_manager
        pending = getattr(manager, "deallocations", None)  # a memory-manager plug-in may have none
        if pending is not None:
            pending.clear()

    def forget(self) -> None:
        """Drop everything: the device closes, or is lost."""
        self._blocks.clear()
        self._order.clear()
        self._staging.clear()
        self._trash.clear()
