"""The memory of the fake device: an address book, backed by host memory or not."""

from __future__ import annotations

import bisect
from typing import Any

import attrs
import numpy as np

from rkruntime.device._api import HostArray
from rkruntime.errors import BufferMisuse

__all__ = ("FakeArray", "FakeMemory")

ALIGNMENT_BYTES = 256
FREED = 0xDD
FIRST_ADDRESS = 0x7000_0000_0000


@attrs.frozen(eq=False)
class FakeArray:
    """An array on a device whose memory the host cannot touch: shape and dtype, and no values.

    Args:
        address: Where it begins.
        shape: Its shape, C order.
        dtype: Its element type.
        data: What backs it, for the fake device alone; `None` where nothing does.
    """

    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    data: HostArray | None = attrs.field(repr=False)

    @property
    def size(self) -> int:
        """Elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Bytes."""
        return self.size * self.dtype.itemsize


@attrs.define
class FakeMemory:
    """Hands out addresses and keeps the book: what lives, how much, the peak; a wrong free is an error.

    Args:
        what: What errors call it.
        capacity_bytes: What it has in all; past it, `take` raises `MemoryError`.
        backed: Give real host memory behind the addresses.
    """

    what: str
    capacity_bytes: int
    backed: bool
    live: dict[int, int] = attrs.field(factory=dict)
    taken: int = 0
    given_back: int = 0
    live_bytes: int = 0
    peak_bytes: int = 0
    _buffers: dict[int, HostArray] = attrs.field(factory=dict)
    _order: list[int] = attrs.field(factory=list)
    _freed: set[int] = attrs.field(factory=set)
    _next: int = FIRST_ADDRESS

    def take(self, size_bytes: int) -> int:
        """Take a block, aligned to 256 bytes.

        Raises:
            MemoryError: It would not fit `capacity_bytes`.
        """
        if size_bytes < 1:
            raise ValueError(f"{self.what}: wanted {size_bytes} bytes; a block has at least 1")
        if self.live_bytes + size_bytes > self.capacity_bytes:
            raise MemoryError(
                f"{self.what}: wanted {size_bytes:,} bytes with {self.live_bytes:,} of {self.capacity_bytes:,} in use"
            )
        address = self._place(size_bytes)
        self.live[address] = size_bytes
        bisect.insort(self._order, address)
        self._freed.discard(address)
        self.taken += 1
        self.live_bytes += size_bytes
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)
        return address

    def give_back(self, address: int, size_bytes: int) -> None:
        """End a block.

        Raises:
            BufferMisuse: Not one of its addresses, given back before, or not of this size.
        """
        buffer = f"{self.what}, address {address:#x}, {size_bytes:,} bytes"
        if address not in self.live:
            what = "freed twice" if address in self._freed else "not one of this device's addresses"
            raise BufferMisuse(what, buffer, "free what allocate gave, once")
        if self.live[address] != size_bytes:
            raise BufferMisuse(
                f"freed with another size than its {self.live[address]:,} bytes", buffer, "free with the size taken"
            )
        del self.live[address]
        self._order.remove(address)
        self._freed.add(address)
        self.given_back += 1
        self.live_bytes -= size_bytes
        held = self._buffers.pop(address, None)
        if held is not None:
            held[...] = FREED

    def holds(self, address: int, size_bytes: int) -> bool:
        """Whether these bytes all lie in one live block."""
        block = self.block_of(address)
        return block is not None and address + size_bytes <= block + self.live[block]

    def block_of(self, address: int) -> int | None:
        """The live block that the address lies in, if any."""
        position = bisect.bisect_right(self._order, address) - 1
        if position < 0:
            return None
        block = self._order[position]
        return block if address < block + self.live[block] else None

    def view(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> HostArray | None:
        """View the bytes behind an address; `None` where nothing backs them.

        Raises:
            BufferMisuse: The array does not lie in one live block.
        """
        count = int(np.prod(shape, dtype=np.int64))
        size_bytes = count * dtype.itemsize
        if not self.holds(address, size_bytes):
            raise BufferMisuse(
                "no live block holds this array",
                f"{self.what}, address {address:#x}, shape {shape}, {dtype}",
                "view memory between its allocate and its free, within its size",
            )
        if not self.backed:
            return None
        block = self.block_of(address)
        assert block is not None
        start = address - block
        flat = self._buffers[block][start : start + size_bytes]
        return flat.view(dtype).reshape(shape)

    def _place(self, size_bytes: int) -> int:
        if not self.backed:
            address = self._next
            self._next += -(-size_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
            return address
        raw = np.empty(size_bytes + ALIGNMENT_BYTES, np.uint8)
        skip = -raw.ctypes.data % ALIGNMENT_BYTES
        buffer = raw[skip : skip + size_bytes]
        address = int(buffer.ctypes.data)
        self._buffers[address] = buffer
        return address
