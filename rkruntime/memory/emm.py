"""A Numba external memory manager: plain numba-cuda code allocates from rkruntime's pools.

Set `NUMBA_CUDA_MEMORY_MANAGER=rkruntime.memory.emm` before the first use of `numba.cuda`, or call
`numba.cuda.set_memory_manager(rkruntime.memory.emm.PooledMemoryManager)`. Each CUDA context gets a pool of its own,
made as `configure` says; `use` lends it the pool of a running runtime instead, on the thread that calls `use`.

Freed arrays stay in quarantine until the work that was queued before has finished. Numba does not say on which stream
an array was used, so the event that tells is recorded on CUDA's legacy default stream, which waits for every blocking
stream and makes them wait for it, as `cuMemFree` does; streams made non-blocking outside of Numba are not seen.

Imported on use only: this module imports numba-cuda.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

from numba.cuda.cudadrv import driver

from rkruntime.config import MemoryConfig
from rkruntime.device import Device, DeviceEvent, DeviceStream
from rkruntime.memory._buffer import Buffer
from rkruntime.memory._manager import KernelMemoryManager
from rkruntime.memory._owner import OwnedMemory

__all__ = ("DriverMemory", "PooledMemoryManager", "configure", "use")

numba_driver: Any = driver

_config: MemoryConfig | None = None
_shared: tuple[OwnedMemory, int] | None = None


def configure(config: MemoryConfig | None) -> None:
    """Make pools from `config` from now on; None, the default, bounds them by the device's own memory."""
    global _config
    _config = config


def use(manager: KernelMemoryManager | None) -> None:
    """Allocate from `manager` on this thread from now on; None ends it. Other threads keep the context's own pool.

    Args:
        manager: A runtime's memory, on the same CUDA context; used on the thread that it lives on.
    """
    global _shared
    _shared = None if manager is None else (_owner_in(manager), threading.get_ident())


class _DriverEvent:
    """A CUDA event on the legacy default stream."""

    error: BaseException | None = None
    timing = None

    def __init__(self, context: Any) -> None:
        self._event = context.create_event(timing=False)
        self._event.record()

    @property
    def done(self) -> bool:
        return bool(self._event.query())


class _DefaultStream:
    """CUDA's legacy default stream, where scrubbing runs."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def record(self) -> DeviceEvent:
        return _DriverEvent(self._context)

    def close(self) -> None:
        pass


class DriverMemory:
    """The part of a device that pools need, straight from the CUDA driver.

    Args:
        context: Numba's context.
    """

    def __init__(self, context: Any) -> None:
        self._context = context

    def allocate(self, size_bytes: int) -> int:
        """Take device memory; raises `MemoryError` where the driver has none."""
        try:
            return int(numba_driver.driver.cuMemAlloc(size_bytes))
        except numba_driver.CudaAPIError as refusal:
            if refusal.code == numba_driver.binding.CUresult.CUDA_ERROR_OUT_OF_MEMORY:
                raise MemoryError(str(refusal)) from refusal
            raise

    def free(self, address: int, size_bytes: int) -> None:  # noqa: ARG002  # the protocol's signature
        """Give device memory back."""
        numba_driver.driver.cuMemFree(address)

    def zero(self, address: int, size_bytes: int, stream: DeviceStream) -> DeviceEvent:
        """Set bytes to zero on the default stream."""
        numba_driver.driver.cuMemsetD8Async(address, 0, size_bytes, 0)
        return stream.record()

    def stream(self) -> DeviceStream:
        """Return the legacy default stream."""
        return _DefaultStream(self._context)

    def record(self) -> DeviceEvent:
        """Stand for all work queued so far on blocking streams."""
        return _DriverEvent(self._context)

    def info(self) -> tuple[int, int]:
        """Return free and total bytes of the device."""
        free, total = numba_driver.driver.cuMemGetInfo()
        return int(free), int(total)


class PooledMemoryManager(numba_driver.GetIpcHandleMixin, numba_driver.HostOnlyCUDAMemoryManager):  # type: ignore[misc]
    """Numba's memory manager over `KernelMemoryManager`; pinned and mapped host memory stays with Numba."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lock = threading.RLock()
        # Finalizers run at any point of any thread, within allocate too: they only append, and the next call drains.
        self._dropped: deque[tuple[Buffer, int | None]] = deque()
        self._own: OwnedMemory | None = None
        self._source: DriverMemory | None = None
        self._deferred = 0
        self._inside = False

    @property
    def interface_version(self) -> int:
        """The version of Numba's plug-in interface that this implements."""
        return 1

    def open_source(self) -> DriverMemory:
        """Return where the pool's memory comes from: the CUDA driver."""
        return DriverMemory(self.context)

    def initialize(self) -> None:
        """Make the pool ready; Numba calls it with the context current."""
        with self._lock:
            self._own_memory()
        if self.deallocations.memory_capacity == 0:
            self.deallocations.memory_capacity = self.get_memory_info().total

    def _own_memory(self) -> OwnedMemory:
        if self._own is None:
            source = self._source = self.open_source()
            config = _config or MemoryConfig(max_gpu_memory=source.info()[1])
            self._own = _owner_in(KernelMemoryManager(config, cast(Device, source)))
        return self._own

    def memalloc(self, size: int) -> Any:
        """Allocate from the pool.

        Raises:
            OutOfDeviceMemory: Neither the pool nor the device has room.
        """
        with self._lock:
            if self._inside:
                return self._straight(size)
            self._inside = True
            try:
                own, thread = self._own_memory(), None
                self._drain()
                if _shared is not None and _shared[1] == threading.get_ident():
                    own, thread = _shared
                buffer = own.manager.allocate(size, own)
            finally:
                self._inside = False
        dropped = self._dropped
        return numba_driver.MemoryPointer(
            self.context, _pointer(buffer.address), size, finalizer=lambda: dropped.append((buffer, thread))
        )

    def _straight(self, size: int) -> Any:
        """Serve a runtime's own device, which asks while it fills the very pool that was asked."""
        source = self._source or self.open_source()
        address = source.allocate(size)
        return numba_driver.MemoryPointer(
            self.context, _pointer(address), size, finalizer=lambda: source.free(address, size)
        )

    def _drain(self) -> None:
        if not self._dropped or self._deferred or self._source is None:
            return
        event, here = self._source.record(), threading.get_ident()
        for _ in range(len(self._dropped)):
            buffer, thread = self._dropped.popleft()
            if thread not in (None, here):
                self._dropped.append((buffer, thread))
            elif not buffer.freed:
                buffer.owner.manager.deallocate(buffer, after=event)

    def get_memory_info(self) -> Any:
        """Return free and total bytes, within the pool's limit; what the pool keeps idle counts as free."""
        with self._lock:
            own = self._own_memory()
            assert self._source is not None
            free, total = self._source.info()
            stats = own.manager.stats()
        free = min(free + stats.cached_bytes, stats.limit_bytes - stats.allocated_bytes)
        return numba_driver.MemoryInfo(free=max(free, 0), total=min(total, stats.limit_bytes))

    def reset(self) -> None:
        """Give everything of this context back to the driver."""
        super().reset()
        with self._lock:
            self._deferred, deferred = 0, self._deferred
            self._drain()
            self._deferred = deferred
            if self._own is not None:
                self._own.manager.close()
            self._own = None

    @contextlib.contextmanager
    def defer_cleanup(self) -> Iterator[None]:
        """Free nothing within the block."""
        with super().defer_cleanup():
            self._deferred += 1
            try:
                yield
            finally:
                self._deferred -= 1


def _owner_in(manager: KernelMemoryManager) -> OwnedMemory:
    return manager.owner("numba", kind="plug-in")


def _pointer(address: int) -> Any:
    return numba_driver.binding.CUdeviceptr(address)


_numba_memory_manager = PooledMemoryManager
