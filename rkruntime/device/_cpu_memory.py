"""The CPU device's memory: anonymous mappings, views of them, and what they add up to."""

from __future__ import annotations

import ctypes
import mmap
from bisect import bisect_right
from typing import Any

import numpy as np

from rkruntime.device._api import HostArray
from rkruntime.errors import BufferMisuse

__all__ = ("CpuMemory",)

ALIGNMENT_BYTES = 256


HUGE_BYTES = 2**22
"""From here on memory is asked for in huge pages, as NumPy does it: a loop over it misses the TLB less."""


class CpuMemory:
    """Memory by address, each block a mapping of its own.

    A view keeps its mapping alive, so freeing a block that somebody still looks at cannot crash the process; the
    memory is given back with the last view. The books count a block until it is freed.

    Args:
        total_bytes: More than this in all is refused, since the system would promise it and fail later.
    """

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._blocks: dict[int, HostArray] = {}
        self._addresses: list[int] = []
        self.used_bytes = 0

    def allocate(self, size_bytes: int) -> int:
        """Map zeroed memory; the address is aligned to a page.

        Raises:
            MemoryError: The machine has not that much, or the system refuses.
        """
        if size_bytes < 0:
            raise BufferMisuse("a negative size", f"{size_bytes} bytes", "ask for 0 bytes or more")
        if self.used_bytes + size_bytes > self._total_bytes:
            raise MemoryError(
                f"{size_bytes:,} bytes wanted with {self.used_bytes:,} in use of the machine's {self._total_bytes:,}"
            )
        try:
            pages = mmap.mmap(-1, max(size_bytes, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except OSError as error:
            raise MemoryError(f"the system refuses {size_bytes:,} bytes: {error.strerror}") from error
        if size_bytes >= HUGE_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
            pages.madvise(mmap.MADV_HUGEPAGE)
        block = np.frombuffer(pages, np.uint8)[:size_bytes]
        address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        self._blocks[address] = block
        self._addresses.insert(bisect_right(self._addresses, address), address)
        self.used_bytes += size_bytes
        return address

    def free(self, address: int, size_bytes: int) -> None:
        """Give back a block.

        Raises:
            BufferMisuse: No block of that address and size is in use.
        """
        block = self._blocks.get(address)
        if block is None or block.size != size_bytes:
            raise BufferMisuse("a block that is not in use", f"{size_bytes:,} bytes at {address:#x}", "free it once")
        del self._blocks[address]
        del self._addresses[bisect_right(self._addresses, address) - 1]
        self.used_bytes -= size_bytes

    def array(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> HostArray:
        """View memory inside one block as a C-ordered array.

        Raises:
            BufferMisuse: The range is not inside a block.
        """
        at = bisect_right(self._addresses, address) - 1
        base = self._addresses[at] if at >= 0 else 0
        block = self._blocks.get(base)
        size = dtype.itemsize
        for extent in shape:
            size *= extent
        if block is None or address - base + size > block.size:
            raise BufferMisuse(
                "memory outside this device", f"{size:,} bytes at {address:#x}", "use addresses that allocate gave"
            )
        return np.ndarray(shape, dtype, buffer=block.data, offset=address - base)

    def close(self) -> None:
        """Give everything back."""
        self._blocks.clear()
        self._addresses.clear()
        self.used_bytes = 0
