"""Device memory that is host memory: blocks by address, and what they add up to."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

__all__ = ("HostMemory",)

ALIGNMENT_BYTES = 256


class HostMemory:
    """Blocks of memory by address, aligned as a CUDA driver aligns them.

    Args:
        total_bytes: More than this in all is refused.
    """

    def __init__(self, total_bytes: int) -> None:
        self.total_bytes = total_bytes
        self.used_bytes = 0
        self._blocks: dict[int, tuple[Any, int]] = {}

    def allocate(self, size_bytes: int) -> int:
        """Take a block; what is in it is not defined.

        Raises:
            MemoryError: There is not that much.
        """
        if size_bytes + self.used_bytes > self.total_bytes:
            raise MemoryError
        raw = np.empty(size_bytes + ALIGNMENT_BYTES, np.uint8)
        start = int(raw.ctypes.data)
        address = start + -start % ALIGNMENT_BYTES
        self._blocks[address] = raw, size_bytes
        self.used_bytes += size_bytes
        return address

    def free(self, address: int) -> None:
        """Give a block back.

        Raises:
            KeyError: There is no block at this address.
        """
        _, size_bytes = self._blocks.pop(address)
        self.used_bytes -= size_bytes

    def block_of(self, address: int) -> tuple[int, int]:
        """Return address and size of the block that an address lies in.

        Raises:
            KeyError: It lies in none.
        """
        for base, (_, size_bytes) in tuple(self._blocks.items()):
            if base <= address < base + max(size_bytes, 1):
                return base, size_bytes
        raise KeyError(address)

    @staticmethod
    def copy(target: int, source: int, size_bytes: int) -> None:
        """Copy bytes between addresses; they may overlap."""
        ctypes.memmove(target, source, size_bytes)

    @staticmethod
    def fill(target: int, byte: int, size_bytes: int) -> None:
        """Set bytes to one value."""
        ctypes.memset(target, byte, size_bytes)
