"""Host staging memory for copies to devices that cannot read host arrays: pooled, bounded, pinned on CUDA.

A copy takes one piece at a time, so copies that wait for each other's staging cannot block one another for ever. A
piece still being copied when its task is cancelled returns to the pool once its event is done.
"""

from __future__ import annotations

import ctypes
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import trio

from rkruntime.device import Device, DeviceEvent, DeviceStream
from rkruntime.memory._buffer import Buffer

__all__ = ("StagingPiece", "StagingPool", "copy_in_staged", "copy_out_staged")

CHUNK_BYTES = 8 * 2**20
"""The most that one staged copy holds; larger arrays go through it in turns."""

Bytes = npt.NDArray[np.uint8]


class StagingPiece:
    """Host memory held for one copy.

    Args:
        address: Where it is.
        size_bytes: How much.
    """

    __slots__ = ("_event", "address", "array", "size_bytes")

    def __init__(self, address: int, size_bytes: int) -> None:
        self.address = address
        self.size_bytes = size_bytes
        self.array: Bytes = np.frombuffer(memoryview((ctypes.c_ubyte * size_bytes).from_address(address)), np.uint8)
        self._event: DeviceEvent | None = None

    def in_use_until(self, event: DeviceEvent) -> None:
        """Keep the piece out of the pool until `event` is done."""
        self._event = event

    @property
    def busy_event(self) -> DeviceEvent | None:
        """The copy that still uses the piece, if one does."""
        return None if self._event is None or self._event.done else self._event


class StagingPool:
    """Power-of-two pieces of host memory, at most `limit_bytes` in all; who finds none waits in order.

    Args:
        device: Where staging memory comes from.
        limit_bytes: The most that may be held.
    """

    def __init__(self, device: Device, limit_bytes: int) -> None:
        self.device = device
        self.limit_bytes = limit_bytes
        self.reserved_bytes = 0
        self.used_bytes = 0
        self.closed = False
        self._idle: defaultdict[int, list[StagingPiece]] = defaultdict(list)
        self._waiting: deque[trio.Event] = deque()
        self._largest = 1 << (limit_bytes.bit_length() - 1)

    def piece_bytes(self, size_bytes: int) -> int:
        """Return the size of the piece for a copy of `size_bytes`; smaller than it where it is copied in turns."""
        wanted = 1 << max(size_bytes - 1, 0).bit_length()
        return min(wanted, CHUNK_BYTES, self._largest)

    @asynccontextmanager
    async def hold(self, size_bytes: int) -> AsyncIterator[StagingPiece]:
        """Hold one piece for a copy of `size_bytes`, waiting until the bound allows it.

        The piece may be smaller than asked: copy in turns then.
        """
        piece = await self._take(self.piece_bytes(size_bytes))
        try:
            yield piece
        finally:
            busy = piece.busy_event
            if busy is None:
                self._put(piece)
            else:
                self.device.on_done(busy, lambda: self._put(piece))

    async def _take(self, size_bytes: int) -> StagingPiece:
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._waiting and (piece := self._try_take(size_bytes)):
            return piece
        turn = trio.Event()
        self._waiting.append(turn)
        try:
            while True:
                await turn.wait()
                if piece := self._try_take(size_bytes):
                    return piece
                turn = self._waiting[0] = trio.Event()
        finally:
            self._waiting.remove(turn)
            self._wake()

    def _try_take(self, size_bytes: int) -> StagingPiece | None:
        if self._idle[size_bytes]:
            piece = self._idle[size_bytes].pop()
        else:
            if self.reserved_bytes + size_bytes > self.limit_bytes:
                self.trim()
            if self.reserved_bytes + size_bytes > self.limit_bytes:
                return None
            piece = StagingPiece(self.device.allocate_staging(size_bytes), size_bytes)
            self.reserved_bytes += size_bytes
        self.used_bytes += piece.size_bytes
        return piece

    def _put(self, piece: StagingPiece) -> None:
        self.used_bytes -= piece.size_bytes
        self._idle[piece.size_bytes].append(piece)
        if self.closed:
            self.trim()
        self._wake()

    def _wake(self) -> None:
        if self._waiting:
            self._waiting[0].set()

    def trim(self) -> int:
        """Give idle pieces back; returns their bytes."""
        before = self.reserved_bytes
        for pieces in self._idle.values():
            for piece in pieces:
                self.device.free_staging(piece.address, piece.size_bytes)
                self.reserved_bytes -= piece.size_bytes
            pieces.clear()
        return before - self.reserved_bytes

    def close(self) -> None:
        """Give everything back; pieces still being copied follow when their copies are done."""
        self.closed = True
        self.trim()


async def copy_in_staged(staging: StagingPool, buffer: Buffer, source: Bytes, stream: DeviceStream) -> None:
    """Copy host bytes to `buffer` through staging, in turns.

    Raises:
        BufferMisuse: The buffer was freed before the copy was through.
    """
    device = staging.device
    async with staging.hold(source.size) as piece:
        for start in range(0, source.size, piece.size_bytes):
            count = min(piece.size_bytes, source.size - start)
            target = device.array(buffer.address + start, (count,), np.dtype(np.uint8))
            piece.array[:count] = source[start : start + count]
            event = device.copy_in(target, piece.array[:count], stream)
            piece.in_use_until(event)
            buffer.touch(event, stream)
            await device.wait(event)


async def copy_out_staged(staging: StagingPool, buffer: Buffer, target: Bytes, stream: DeviceStream) -> None:
    """Copy `buffer` to host bytes through staging, in turns.

    Raises:
        BufferMisuse: The buffer was freed before the copy was through.
    """
    device = staging.device
    async with staging.hold(target.size) as piece:
        for start in range(0, target.size, piece.size_bytes):
            count = min(piece.size_bytes, target.size - start)
            source: Any = device.array(buffer.address + start, (count,), np.dtype(np.uint8))
            event = device.copy_out(piece.array[:count], source, stream)
            piece.in_use_until(event)
            buffer.touch(event, stream)
            await device.wait(event)
            target[start : start + count] = piece.array[:count]
