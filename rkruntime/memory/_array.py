"""Device arrays: a shape and a dtype over a pooled buffer."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rkruntime.device import DeviceEvent, DeviceStream, HostArray
from rkruntime.errors import BufferMisuse
from rkruntime.memory._buffer import Buffer
from rkruntime.memory._staging import copy_in_staged, copy_out_staged
from rkruntime.units import format_bytes

if TYPE_CHECKING:
    from rkruntime.memory._owner import OwnedMemory

__all__ = ("DeviceArray",)


class DeviceArray:
    """A C-ordered array in pooled device memory.

    It belongs to its owner until it is freed; then every use raises `BufferMisuse`. `reshape` gives another array over
    the same buffer: freeing either frees both. There is no slicing: kernels index what they need.

    Args:
        buffer: The memory; made by `OwnedMemory.empty` and its siblings.
        shape: Lengths of the axes.
        dtype: The NumPy type of one item.
    """

    __slots__ = ("__weakref__", "_buffer", "_view", "dtype", "shape")

    def __init__(self, buffer: Buffer, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._buffer = buffer
        self.shape = shape
        self.dtype = dtype
        self._view: Any = None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of items."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all items; the block behind them may be larger."""
        return self.size * self.dtype.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one item to the next along each axis, C order."""
        steps = [self.dtype.itemsize]
        for length in reversed(self.shape[1:]):
            steps.append(steps[-1] * length)
        return tuple(reversed(steps[: self.ndim]))

    @property
    def owner(self) -> OwnedMemory:
        """Who holds the memory."""
        return self._buffer.owner

    @property
    def buffer(self) -> Buffer:
        """The memory behind the array."""
        return self._buffer

    @property
    def freed(self) -> bool:
        """Whether the array was freed."""
        return self._buffer.block is None

    @property
    def place(self) -> str:
        """Where the array was allocated: `file:line`."""
        return self._buffer.place

    @property
    def view(self) -> Any:
        """The device's own array over the memory, as `Device.launch` takes it.

        Raises:
            BufferMisuse: The array was freed.
        """
        address = self._buffer.address
        if self._view is None:
            self._view = self._buffer.owner.manager.device.array(address, self.shape, self.dtype)
        return self._view

    def reshape(self, *shape: int | tuple[int, ...]) -> DeviceArray:
        """Return an array of another shape over the same buffer; one length may be -1.

        Raises:
            BufferMisuse: The sizes differ, or the array was freed.
        """
        wanted: Any = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        self._buffer.address  # noqa: B018  # raises once freed
        known = math.prod(length for length in wanted if length != -1)
        if -1 in wanted and known:
            wanted = tuple(self.size // known if length == -1 else length for length in wanted)
        if math.prod(wanted) != self.size or min(wanted, default=0) < 0:
            raise BufferMisuse(f"{self.size} items do not reshape to {shape}", repr(self), "keep the number of items")
        return DeviceArray(self._buffer, tuple(wanted), self.dtype)

    def touch(self, event: DeviceEvent, stream: DeviceStream | None = None) -> None:
        """Note that work up to `event`, on `stream` if known, uses the array."""
        self._buffer.touch(event, stream)

    def free(self, after: DeviceEvent | None = None, stream: DeviceStream | None = None) -> None:
        """Give the memory back to the pool.

        Args:
            after: A last use that may not have finished: the block is in quarantine until it has.
            stream: Where that use runs; requests for the same stream may have the block at once.

        Raises:
            BufferMisuse: The array was freed before.
        """
        self._view = None
        self._buffer.owner.manager.deallocate(self._buffer, after, stream)

    async def copy_to_host(self, out: HostArray | None = None) -> HostArray:
        """Copy to a host array, after all noted uses of this one.

        Args:
            out: Where to; C-contiguous, writable, same shape and dtype. A new array by default.

        Returns:
            `out`, or the new array.
        """
        if out is None:
            out = np.empty(self.shape, self.dtype)
        self._check(out, writes=True)
        source, manager = self.view, self._buffer.owner.manager
        stream = self._buffer.owner.work_stream
        await manager.settle_uses(self._buffer, stream)
        if not self.nbytes:
            return out
        device = manager.device
        if device.properties.host_accessible:
            event = device.copy_out(out, source, stream)
            self._buffer.touch(event, stream)
            await device.wait(event)
        else:
            await copy_out_staged(manager.staging, self._buffer, out.reshape(-1).view(np.uint8), stream)
        return out

    async def copy_from_host(self, host: HostArray) -> None:
        """Copy `host` here: same shape and dtype, any order; it may change once this returns."""
        self._check(host, writes=False)
        target, manager = self.view, self._buffer.owner.manager
        stream = self._buffer.owner.work_stream
        await manager.settle_uses(self._buffer, stream)
        if not self.nbytes:
            return
        source = np.ascontiguousarray(host)
        device = manager.device
        if device.properties.host_accessible:
            event = device.copy_in(target, source, stream)
            self._buffer.touch(event, stream)
            await device.wait(event)
        else:
            await copy_in_staged(manager.staging, self._buffer, source.reshape(-1).view(np.uint8), stream)

    def _check(self, host: HostArray, *, writes: bool) -> None:
        if not isinstance(host, np.ndarray):
            raise BufferMisuse(f"{type(host).__name__} is no host array", repr(self), "give a NumPy array")
        if host.shape != self.shape or host.dtype != self.dtype:
            raise BufferMisuse(
                f"host array of shape {host.shape}, {host.dtype} does not match", repr(self), "same shape and dtype"
            )
        if writes and not (host.flags.c_contiguous and host.flags.writeable):
            raise BufferMisuse("out is not C-contiguous and writable", repr(self), "give np.empty(shape, dtype)")

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of an array with no axes")
        return self.shape[0]

    def __repr__(self) -> str:
        state = "freed" if self.freed else f"{format_bytes(self.nbytes)} of {self.owner.kind} {self.owner.name!r}"
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, {state})"

    def _repr_html_(self) -> str:
        owner = f"{self.owner.kind} {self.owner.name}"
        facts = {
            "shape": str(self.shape),
            "dtype": str(self.dtype),
            "bytes": "freed" if self.freed else format_bytes(self.nbytes),
            "owner": owner,
        }
        rows = "".join(f"<tr><th>{key}</th><td>{html.escape(value)}</td></tr>" for key, value in facts.items())
        return f"<table><caption>DeviceArray</caption>{rows}</table>"
