"""A device that fails on a script: wraps any other, for tests of what stands above it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import trio

from rkruntime.device._api import (
    Compiled,
    Device,
    DeviceEvent,
    DeviceProperties,
    DeviceStream,
    Dim3,
    HostArray,
    KernelSource,
    Timing,
)
from rkruntime.device._faults import Call, Fault, Faults, next_fault
from rkruntime.errors import CopyFailed, DeviceLost, KernelFault

__all__ = ("FaultyDevice", "FaultyEvent", "FaultyStream")


class FaultyEvent:
    """An event of the wrapped device, that may come late, wrong, or never.

    Args:
        inner: The wrapped device's event.
        device: The faulty device.
        delay_s: How much later than `inner` it comes, on Trio's clock; `math.inf` for never.
        error: What it ends with in place of `inner`'s own error.
        after: Late events before it on its stream, where it stands for them too.
    """

    def __init__(
        self,
        inner: DeviceEvent,
        device: FaultyDevice,
        delay_s: float = 0.0,
        error: BaseException | None = None,
        after: tuple[FaultyEvent, ...] = (),
    ) -> None:
        self.inner = inner
        self.after = after
        self.cut = trio.Event()
        self._device = device
        self._delay_s = delay_s
        self._injected = error
        self._inner_done_s: float | None = None
        if 0.0 < delay_s < math.inf and trio.lowlevel.in_trio_run():
            device.inner.on_done(inner, self._stamp)

    @property
    def delay_s(self) -> float:
        """How much longer than the wrapped device's event it takes; 0 once the launch was cancelled."""
        return 0.0 if self.cut.is_set() else self._delay_s

    @property
    def done(self) -> bool:
        """Whether the work has finished, as far as anyone may know."""
        if self._device.lost is not None:
            return True
        if not self.inner.done or self.delay_s == math.inf or not all(event.done for event in self.after):
            return False
        if self.delay_s == 0.0:
            return True
        return trio.current_time() >= self._note_inner_done() + self.delay_s

    @property
    def remaining_s(self) -> float:
        """How much longer it takes, once the wrapped device's event is done."""
        return self.delay_s and max(0.0, self._note_inner_done() + self.delay_s - trio.current_time())

    @property
    def error(self) -> BaseException | None:
        """The device's loss, the injected error, or the wrapped event's own; None until done."""
        if not self.done:
            return None
        return self._device.lost or self._injected or self.inner.error

    @property
    def timing(self) -> Timing | None:
        """The wrapped event's, longer by the delay."""
        inner = self.inner.timing if self.done else None
        if inner is None:
            return None
        return Timing(queued_s=inner.queued_s, ran_s=inner.ran_s + self.delay_s)

    def _stamp(self) -> None:
        self._note_inner_done()

    def _note_inner_done(self) -> float:
        if self._inner_done_s is None:
            self._inner_done_s = trio.current_time()
        return self._inner_done_s


class FaultyStream:
    """A stream of the wrapped device. A late event holds up nothing behind it but the records."""

    def __init__(self, inner: DeviceStream, device: FaultyDevice) -> None:
        self.inner = inner
        self.late: list[FaultyEvent] = []
        self._device = device

    def record(self) -> FaultyEvent:
        """Stand for everything before; comes no sooner than the latest of its late events."""
        self.late = [event for event in self.late if not event.done]
        return FaultyEvent(self.inner.record(), self._device, after=tuple(self.late))

    def close(self) -> None:
        """Give the stream back."""
        self.inner.close()


class FaultyDevice:
    """Passes every call to another device, and makes some go wrong.

    Args:
        device: The device that works; it belongs to this one from now on.
        script: What goes wrong, and when.

    Attributes:
        injected: The faults so far, in order: the kind of call, its number from 1, the fault.
        lost: The loss of the device, once it is lost; every call but a free then raises it, every event ends with it.
    """

    def __init__(self, device: Device, script: Faults | None = None) -> None:
        self.inner = device
        self.script = script or Faults()
        self.injected: list[tuple[Call, int, Fault]] = []
        self.lost: DeviceLost | None = None
        self._counts: Counter[Call] = Counter()
        self._loss = trio.Event()

    @property
    def properties(self) -> DeviceProperties:
        """The wrapped device's."""
        return self.inner.properties

    def compile(self, kernel: KernelSource, args: Sequence[object]) -> Compiled:
        """Compile on the wrapped device."""
        self._check()
        return self.inner.compile(kernel, args)

    def is_compiled(self, kernel: KernelSource, args: Sequence[object]) -> bool:
        """Ask the wrapped device."""
        return self.inner.is_compiled(kernel, args)

    def allocate(self, size_bytes: int) -> int:
        """Take device memory, or raise the injected `MemoryError`."""
        if self._next(Call.ALLOCATE) is Fault.OUT_OF_MEMORY:
            raise MemoryError(f"{self.properties.name}: no {size_bytes:,} bytes left (an injected fault)")
        return self.inner.allocate(size_bytes)

    def free(self, address: int, size_bytes: int) -> None:
        """Give device memory back, on a lost device too."""
        self.inner.free(address, size_bytes)

    def allocate_staging(self, size_bytes: int) -> int:
        """Take staging memory."""
        self._check()
        return self.inner.allocate_staging(size_bytes)

    def free_staging(self, address: int, size_bytes: int) -> None:
        """Give staging memory back, on a lost device too."""
        self.inner.free_staging(address, size_bytes)

    def array(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """View device memory."""
        return self.inner.array(address, shape, dtype)

    def stream(self) -> FaultyStream:
        """Open a new stream."""
        self._check()
        return FaultyStream(self.inner.stream(), self)

    def copy_in(self, target: Any, source: HostArray, stream: DeviceStream) -> FaultyEvent:
        """Copy host to device, or fail to."""
        return self._copy("in", source.nbytes, stream, lambda inner: self.inner.copy_in(target, source, inner))

    def copy_out(self, target: HostArray, source: Any, stream: DeviceStream) -> FaultyEvent:
        """Copy device to host, or fail to."""
        return self._copy("out", target.nbytes, stream, lambda inner: self.inner.copy_out(target, source, inner))

    def zero(self, address: int, size_bytes: int, stream: DeviceStream) -> FaultyEvent:
        """Set bytes to zero, or fail to; counts as a copy."""
        return self._copy("zero", size_bytes, stream, lambda inner: self.inner.zero(address, size_bytes, inner))

    def launch(
        self,
        compiled: Compiled,
        grid: Dim3,
        block: Dim3,
        args: Sequence[object],
        stream: DeviceStream,
        shared_bytes: int = 0,
    ) -> FaultyEvent:
        """Queue one launch, which may fault, be slow, or never be heard of again."""
        assert isinstance(stream, FaultyStream)
        fault = self._next(Call.LAUNCH)
        inner = self.inner.launch(compiled, grid, block, args, stream.inner, shared_bytes)
        error = None
        if fault is Fault.KERNEL_FAULT:
            error = KernelFault(compiled.name, "an injected fault", "FaultyDevice", 0)
        return self._event(inner, stream, fault, error)

    def cancel(self, event: DeviceEvent) -> bool:
        """Ask the wrapped device; a slow kernel's delay ends too, a lost event stays lost."""
        assert isinstance(event, FaultyEvent)
        if event.delay_s not in (0.0, math.inf) and self.properties.cancels_kernels and not event.done:
            self.inner.cancel(event.inner)
            event.cut.set()
            return True
        return self.inner.cancel(event.inner)

    async def wait(self, event: DeviceEvent) -> None:
        """Wait until the event is done, then raise its error; for ever if it never comes."""
        assert isinstance(event, FaultyEvent)
        if not event.done:
            await self._until_done(event)
        else:
            await trio.lowlevel.checkpoint()
        if event.error is not None:
            raise event.error

    def on_done(self, event: DeviceEvent, call: Callable[[], None]) -> None:
        """Call once the event is done."""
        assert isinstance(event, FaultyEvent)
        if event.done:
            call()
        elif trio.lowlevel.in_trio_run():
            trio.lowlevel.spawn_system_task(self._call_when_done, event, call, name="faulty device")
        else:
            self.inner.on_done(event.inner, call)

    def close(self) -> None:
        """Close the wrapped device."""
        self.inner.close()

    def lose(self, what: str = "an injected loss") -> None:
        """Lose the device now."""
        self.lost = self.lost or DeviceLost(self.properties.name, what)
        self._loss.set()

    def _copy(
        self, direction: str, size_bytes: int, stream: DeviceStream, start: Callable[[DeviceStream], DeviceEvent]
    ) -> FaultyEvent:
        assert isinstance(stream, FaultyStream)
        fault = self._next(Call.COPY)
        error = None
        if fault is Fault.COPY_FAILS:
            error = CopyFailed(self.properties.name, direction, size_bytes, "an injected fault")
        return self._event(start(stream.inner), stream, fault, error)

    def _event(
        self, inner: DeviceEvent, stream: FaultyStream, fault: Fault | None, error: BaseException | None
    ) -> FaultyEvent:
        delay_s = 0.0
        if fault is Fault.SLOW_KERNEL:
            delay_s = self.script.slow_s
        elif fault is Fault.LOST_EVENT:
            delay_s = math.inf
        event = FaultyEvent(inner, self, delay_s, error)
        if delay_s > 0.0:
            stream.late.append(event)
        return event

    def _next(self, kind: Call) -> Fault | None:
        self._check()
        self._counts[kind] += 1
        number = self._counts[kind]
        fault = next_fault(self.script, number, kind)
        if fault is not None:
            self.injected.append((kind, number, fault))
        if fault is Fault.DEVICE_LOSS:
            self.lose()
            self._check()
        return fault

    def _check(self) -> None:
        if self.lost is not None:
            raise DeviceLost(self.lost.device, self.lost.what)

    async def _call_when_done(self, event: FaultyEvent, call: Callable[[], None]) -> None:
        await self._until_done(event)
        call()

    async def _until_done(self, event: FaultyEvent) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._until_lost, nursery.cancel_scope)
            await self._until_inner_done(event)
            for earlier in event.after:
                await self._until_done(earlier)
            while not event.done:
                with trio.move_on_after(event.remaining_s):
                    await event.cut.wait()
            nursery.cancel_scope.cancel()

    async def _until_inner_done(self, event: FaultyEvent) -> None:
        over = trio.Event()
        self.inner.on_done(event.inner, over.set)
        await over.wait()

    async def _until_lost(self, scope: trio.CancelScope) -> None:
        await self._loss.wait()
        scope.cancel()
