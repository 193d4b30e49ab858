"""Who holds memory: an actor, a scope or the caller. Each buffer has one owner, which can free all it holds."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import trio

from rkruntime.device import DeviceEvent, DeviceStream, HostArray
from rkruntime.errors import BufferMisuse, OutOfDeviceMemory
from rkruntime.memory._array import DeviceArray
from rkruntime.memory._buffer import Buffer, mark_place

if TYPE_CHECKING:
    from rkruntime.memory._manager import KernelMemoryManager

__all__ = ("DEFER_S", "OwnedMemory")

DEFER_S = 30.0
"""Seconds that a deferrable allocation waits by default."""

Shape: TypeAlias = int | Sequence[int]


class OwnedMemory:
    """The memory of one owner, and the way to get more.

    Args:
        manager: Where it comes from.
        name: Who owns it, for reports.
        kind: `actor`, `scope` or `caller`.
        stream: Where the owner's work runs, if all of it runs on one stream: its freed blocks are then reused at once.
    """

    __slots__ = ("__weakref__", "held", "kind", "live", "manager", "name", "stream")

    def __init__(
        self, manager: KernelMemoryManager, name: str, kind: str = "actor", stream: DeviceStream | None = None
    ) -> None:
        self.manager = manager
        self.name = name
        self.kind = kind
        self.stream = stream
        self.held = 0.0  # a float, as in Account
        self.live: set[Buffer] = set()

    @property
    def bytes(self) -> int:
        """Bytes of the blocks that this owner holds."""
        return int(self.held)

    @property
    def allocated_bytes(self) -> int:
        """The same, under the name that statistics have for it."""
        return int(self.held)

    @property
    def work_stream(self) -> DeviceStream:
        """The stream for this owner's copies: its own, or the manager's."""
        return self.stream if self.stream is not None else self.manager.stream

    async def empty(
        self,
        shape: Shape,
        dtype: npt.DTypeLike = np.float32,
        *,
        deferrable: bool = False,
        deadline_s: float = DEFER_S,
    ) -> DeviceArray:
        """Allocate an array whose contents are undefined.

        Args:
            shape: Lengths of the axes, or the length of the only one.
            dtype: The type of one item.
            deferrable: Wait, behind others that do, while memory is under pressure.
            deadline_s: Seconds that a deferrable allocation waits.

        Raises:
            OutOfDeviceMemory: It does not fit, even once work in flight has given its blocks back.
            MemoryPressure: Deferrable, and the deadline passed or memory came to Emergency.
            BufferMisuse: A shape or dtype that no device array can have.
        """
        lengths, item = _shape_of(shape), _dtype_of(dtype)
        size_bytes = math.prod(lengths) * item.itemsize
        await trio.lowlevel.checkpoint_if_cancelled()
        if deferrable:
            async with self.manager.deferred_turn(deadline_s):
                buffer = await self._allocate(size_bytes)
        else:
            buffer = await self._allocate(size_bytes)
        mark_place(buffer, sys._getframe(1))
        array = DeviceArray(buffer, lengths, item)
        buffer.described = f"DeviceArray {lengths} {item}"
        return array

    async def zeros(
        self,
        shape: Shape,
        dtype: npt.DTypeLike = np.float32,
        *,
        deferrable: bool = False,
        deadline_s: float = DEFER_S,
    ) -> DeviceArray:
        """Allocate an array of zeros; arguments and errors as for `empty`."""
        array = await self.empty(shape, dtype, deferrable=deferrable, deadline_s=deadline_s)
        if array.nbytes:
            with _freed_on_failure(array):
                device, stream = self.manager.device, self.work_stream
                await self.manager.settle_uses(array.buffer, stream)
                event = device.zero(array.buffer.address, array.nbytes, stream)
                array.touch(event, stream)
                await device.wait(event)
        return array

    async def array(
        self,
        host: npt.ArrayLike,
        dtype: npt.DTypeLike | None = None,
        *,
        deferrable: bool = False,
        deadline_s: float = DEFER_S,
    ) -> DeviceArray:
        """Allocate an array and copy `host` into it; other arguments and errors as for `empty`.

        Args:
            host: A NumPy array, or what `numpy.asarray` takes.
            dtype: The type of one item; by default that of `host`.
            deferrable: As for `empty`.
            deadline_s: As for `empty`.
        """
        source: HostArray = np.asarray(host, dtype)
        array = await self.empty(source.shape, source.dtype, deferrable=deferrable, deadline_s=deadline_s)
        with _freed_on_failure(array):
            await array.copy_from_host(source)
        return array

    async def _allocate(self, size_bytes: int) -> Buffer:
        deadline_s = trio.current_time() + self.manager.settle_s
        while True:
            try:
                return self.manager.allocate(size_bytes, self, self.stream)
            except OutOfDeviceMemory as shortage:
                if not await self.manager.wait_for_quarantine(shortage, deadline_s):
                    raise

    def free_all(self, after: DeviceEvent | None = None, stream: DeviceStream | None = None) -> int:
        """Free everything that this owner holds.

        Args:
            after: A last use that may not have finished; see `DeviceArray.free`.
            stream: Where that use runs.

        Returns:
            How many buffers were freed.
        """
        count = len(self.live)
        for buffer in tuple(self.live):
            self.manager.deallocate(buffer, after, stream)
        self.manager.forget(self)
        return count

    def __repr__(self) -> str:
        return f"<OwnedMemory of {self.kind} {self.name!r}: {self.allocated_bytes:,} bytes in {len(self.live)} buffers>"


class _freed_on_failure:  # noqa: N801  # reads as a statement, like the context managers of contextlib
    """Free the array if filling it fails or is cancelled: its caller never gets it."""

    def __init__(self, array: DeviceArray) -> None:
        self._array = array

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not self._array.freed:
            self._array.free()


def _shape_of(shape: Shape) -> tuple[int, ...]:
    try:
        lengths = (shape.__index__(),) if hasattr(shape, "__index__") else tuple(each.__index__() for each in shape)
    except (TypeError, AttributeError):
        raise BufferMisuse("no array shape", repr(shape), "give whole numbers, such as (1024, 1024)") from None
    if any(length < 0 for length in lengths):
        raise BufferMisuse("a negative length", repr(shape), "give lengths of 0 or more")
    return lengths


def _dtype_of(dtype: npt.DTypeLike) -> np.dtype[Any]:
    try:
        item = np.dtype(dtype)
    except TypeError as cause:
        raise BufferMisuse(f"no NumPy dtype ({cause})", repr(dtype), "give one such as np.float32") from None
    if item.hasobject or not item.itemsize:
        raise BufferMisuse("a dtype that devices cannot hold", repr(item), "give numbers, or records of them")
    return item
