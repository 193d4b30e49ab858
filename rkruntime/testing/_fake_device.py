"""A device for tests: no thread, no compiler, time from Trio's clock, and books that catch misuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np

from rkruntime.device._api import Compiled, DeviceEvent, DeviceProperties, DeviceStream, Dim3, HostArray, KernelSource
from rkruntime.device._limits import check_launch
from rkruntime.errors import ArgumentMismatch, BufferMisuse, DeviceLost, KernelFault, LaunchCancelled, RkError
from rkruntime.testing._fake_books import FakeCompiled, FakeCopy, FakeLaunch
from rkruntime.testing._fake_memory import FakeArray, FakeMemory
from rkruntime.testing._fake_streams import FakeEvent, FakeStream, Timeline

__all__ = ("FakeDevice",)

GIB = 2**30


class FakeDevice:
    """A device whose kernels are Python functions and whose time is Trio's clock, so that a `MockClock` drives it.

    A kernel's function is called once per launch with the launch's arguments, when the launch ends; work on one
    stream runs in order. Outside a Trio run, work of 0 s is done at once, and `advance` moves the time.

    Args:
        job_s: How long a launch runs, in seconds, or a function of the launch; `math.inf` never ends.
        copy_s: How long a copy runs, in seconds.
        cancel_s: How long a running launch takes to stop once asked.
        cancels_kernels: Launches can be stopped, as on the CPU; False as on CUDA.
        host_accessible: Host arrays may be launched on as they are, and `array` gives NumPy arrays, as on the CPU;
            False as on CUDA: `array` gives `FakeArray`, and launching on a host array is an error.
        capacity_bytes: Device memory; past it, `allocate` raises `MemoryError`.
        backed: Back device memory by host memory. False keeps an address book alone, for tests of pools: no kernel
            function is called then, and copies move nothing.
        written: Positions of arguments that kernels store to; None says all of them.
        precompiled: What `is_compiled` says of a kernel not seen before.
        effect: Called in place of the kernel's function, with the launch.
        name: What errors and records call it.

    Attributes:
        launches: Every launch taken, in order.
        copies: Every copy and zeroing taken, in order.
        memory: The book of device memory: `live`, `live_bytes`, `peak_bytes`, `taken`, `given_back`.
        staging: The book of staging memory.
        closed: Whether `close` was called.
    """

    def __init__(
        self,
        *,
        job_s: float | Callable[[FakeLaunch], float] = 0.0,
        copy_s: float = 0.0,
        cancel_s: float = 0.0,
        cancels_kernels: bool = True,
        host_accessible: bool = True,
        capacity_bytes: int = GIB,
        backed: bool = True,
        written: frozenset[int] | None = None,
        precompiled: bool = True,
        effect: Callable[[FakeLaunch], None] | None = None,
        name: str = "fake",
    ) -> None:
        self.job_s = job_s
        self.copy_s = copy_s
        self.cancel_s = cancel_s
        self.launches: list[FakeLaunch] = []
        self.copies: list[FakeCopy] = []
        self.memory = FakeMemory(f"{name}: device memory", capacity_bytes, backed)
        self.staging = FakeMemory(f"{name}: staging memory", 2**62, backed=True)
        self.closed = False
        self._written = written
        self._precompiled = precompiled
        self._effect = effect
        self._compiled: dict[tuple[object, ...], FakeCompiled] = {}
        self._lost: DeviceLost | None = None
        self._timeline = Timeline(_as_fault)
        self._properties = DeviceProperties(
            name=name,
            kind="fake",
            total_memory_bytes=capacity_bytes,
            compute_units=1,
            host_accessible=host_accessible,
            cancels_kernels=cancels_kernels,
        )

    @property
    def properties(self) -> DeviceProperties:
        """What the device is and can do."""
        return self._properties

    @property
    def in_flight(self) -> int:
        """Pieces of work that are not done."""
        return len(self._timeline.in_flight())

    def compile(self, kernel: KernelSource, args: Sequence[object]) -> Compiled:
        """Take the kernel's function as it is."""
        self._check()
        written = frozenset(range(len(args))) if self._written is None else self._written
        return self._compiled.setdefault(_compile_key(kernel, args), FakeCompiled(kernel, written))

    def is_compiled(self, kernel: KernelSource, args: Sequence[object]) -> bool:
        """Whether `compile` has seen it, or `precompiled` says so."""
        return self._precompiled or _compile_key(kernel, args) in self._compiled

    def allocate(self, size_bytes: int) -> int:
        """Take device memory, aligned to 256 bytes; `MemoryError` past `capacity_bytes`."""
        self._check()
        return self.memory.take(size_bytes)

    def free(self, address: int, size_bytes: int) -> None:
        """Give device memory back.

        Raises:
            BufferMisuse: Freed twice, with another size, not ours, or used by work that is not done.
        """
        for event in self._timeline.in_flight():
            if address in event.uses and self._lost is None:
                raise BufferMisuse(
                    f"freed while {event.kind} {event.name} uses it",
                    f"{self.memory.what}, address {address:#x}, {size_bytes:,} bytes",
                    "free it once its event is done",
                )
        self.memory.give_back(address, size_bytes)

    def allocate_staging(self, size_bytes: int) -> int:
        """Take host memory for copies."""
        self._check()
        return self.staging.take(size_bytes)

    def free_staging(self, address: int, size_bytes: int) -> None:
        """Give staging memory back."""
        self.staging.give_back(address, size_bytes)

    def array(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """View device memory: a NumPy array where the host may touch it, else a `FakeArray`."""
        dtype = np.dtype(dtype)
        data = self.memory.view(address, shape, dtype)
        if self._properties.host_accessible and data is not None:
            return data
        return FakeArray(address, shape, dtype, data)

    def stream(self) -> FakeStream:
        """Open a new stream."""
        self._check()
        return self._timeline.open_stream()

    def copy_in(self, target: Any, source: HostArray, stream: DeviceStream) -> FakeEvent:
        """Copy host to device; the source is read when the copy ends."""
        return self._copy("in", target, source, target, source, stream)

    def copy_out(self, target: HostArray, source: Any, stream: DeviceStream) -> FakeEvent:
        """Copy device to host; the target is written when the copy ends."""
        return self._copy("out", target, source, source, target, stream)

    def zero(self, address: int, size_bytes: int, stream: DeviceStream) -> FakeEvent:
        """Set bytes to zero when their turn comes."""
        data = self.memory.view(address, (size_bytes,), np.dtype(np.uint8))

        def clear() -> None:
            if data is not None:
                data[...] = 0

        self._note_copy("zero", size_bytes, stream)
        return self._own(stream).submit("zero", f"{size_bytes} bytes", self.copy_s, clear, self._blocks(address))

    def launch(
        self,
        compiled: Compiled,
        grid: Dim3,
        block: Dim3,
        args: Sequence[object],
        stream: DeviceStream,
        shared_bytes: int = 0,
    ) -> FakeEvent:
        """Queue a launch: its function is called once, when its time has come.

        Raises:
            InvalidLaunch: Outside the device's limits.
            ArgumentMismatch: A host array where the device cannot touch it.
            BufferMisuse: A device array whose memory was freed.
        """
        self._check()
        check_launch(compiled.name, self._properties, grid, block, shared_bytes)
        assert isinstance(compiled, FakeCompiled)
        own = self._own(stream)
        launch = FakeLaunch(
            kernel=compiled.name,
            grid=grid,
            block=block,
            args=tuple(self._argument(compiled.name, place, arg) for place, arg in enumerate(args)),
            shared_bytes=shared_bytes,
            stream=own.number,
            submitted_s=self._timeline.now_s(),
        )
        lasts_s = self.job_s(launch) if callable(self.job_s) else self.job_s
        uses = frozenset[int]().union(*(self._blocks(arg) for arg in args))
        event = own.submit("launch", compiled.name, lasts_s, lambda: self._run(compiled, launch), uses)
        self.launches.append(attrs.evolve(launch, event=event))
        return event

    def cancel(self, event: DeviceEvent) -> bool:
        """Stop a launch `cancel_s` from now; False where launches cannot be stopped, or it is no launch, or done."""
        assert isinstance(event, FakeEvent)
        if not self._properties.cancels_kernels or event.kind != "launch" or event.done:
            return False
        self._timeline.stop(event, self.cancel_s, LaunchCancelled(event.name, "its caller asked for it"))
        return True

    async def wait(self, event: DeviceEvent) -> None:
        """Wait on Trio's clock until the event is done, then raise its error."""
        assert isinstance(event, FakeEvent)
        await self._timeline.wait(event)
        if event.error is not None:
            raise event.error

    def on_done(self, event: DeviceEvent, call: Callable[[], None]) -> None:
        """Call once the event is done; at once if it is."""
        assert isinstance(event, FakeEvent)
        self._timeline.on_done(event, call)

    def close(self) -> None:
        """Cancel what is in flight; the books stay readable."""
        if not self.closed:
            self.closed = True
            self._end_all(DeviceLost(self._properties.name, "it was closed"))

    # For tests alone

    def finish(self, event: DeviceEvent) -> None:
        """Make work end now, or when the work before it has ended, however long it was to run."""
        assert isinstance(event, FakeEvent)
        self._timeline.finish(event)
        self._call_back()

    def fail(self, event: DeviceEvent, error: BaseException) -> None:
        """Make work end now, with this error and no effect."""
        assert isinstance(event, FakeEvent)
        self._timeline.stop(event, 0.0, error)
        self._call_back()

    def lose(self, what: str = "fell off the bus") -> None:
        """Lose the device: work in flight ends with `DeviceLost`, and new work raises it."""
        self._end_all(DeviceLost(self._properties.name, what))

    def advance(self, seconds: float) -> None:
        """Move the device's time outside of a Trio run, and make the calls that are due."""
        self._timeline.advance(seconds)

    def _end_all(self, error: DeviceLost) -> None:
        self._lost = self._timeline.lost = self._lost or error
        for event in self._timeline.in_flight():
            self._timeline.stop(event, 0.0, error)
        self._call_back()

    def _call_back(self) -> None:
        self._timeline.call_back()

    def _check(self) -> None:
        if self._lost is not None:
            raise DeviceLost(self._lost.device, self._lost.what)

    def _own(self, stream: DeviceStream) -> FakeStream:
        self._check()
        if not isinstance(stream, FakeStream) or stream.timeline is not self._timeline:
            raise BufferMisuse("a stream of another device", repr(stream), "open it with this device's stream()")
        return stream

    def _copy(
        self, direction: str, target: Any, source: Any, on_device: Any, on_host: HostArray, stream: DeviceStream
    ) -> FakeEvent:
        own = self._own(stream)
        if target.shape != source.shape or target.dtype != source.dtype:
            raise ValueError(f"copy {source.dtype} {source.shape} to {target.dtype} {target.shape}: they must agree")
        into, out_of = _data(target), _data(source)
        self._require_live(on_device)
        self._note_copy(direction, int(on_host.nbytes), stream)

        def move() -> None:
            if into is not None and out_of is not None:
                into[...] = out_of

        return own.submit("copy", direction, self.copy_s, move, self._blocks(on_device))

    def _note_copy(self, direction: str, size_bytes: int, stream: DeviceStream) -> None:
        number = self._own(stream).number
        now_s = self._timeline.now_s()
        self.copies.append(FakeCopy(direction=direction, size_bytes=size_bytes, stream=number, submitted_s=now_s))

    def _argument(self, kernel: str, place: int, arg: object) -> object:
        self._require_live(arg)
        if isinstance(arg, FakeArray):
            return arg if arg.data is None else arg.data
        if isinstance(arg, np.ndarray) and not self._properties.host_accessible:
            raise ArgumentMismatch(
                kernel,
                str(place),
                f"a host array {arg.dtype} {arg.shape}",
                "a device array",
                "copy it to the device first",
            )
        return arg

    def _require_live(self, arg: object) -> None:
        if isinstance(arg, FakeArray) and not self.memory.holds(arg.address, arg.nbytes):
            raise BufferMisuse(
                "used after free", f"{self.memory.what}, address {arg.address:#x}", "use it before it is freed"
            )

    def _blocks(self, arg: object) -> frozenset[int]:
        address = arg if isinstance(arg, int) else getattr(arg, "address", None)
        if isinstance(arg, np.ndarray):
            address = int(arg.ctypes.data)
        block = None if address is None else self.memory.block_of(address)
        return frozenset() if block is None else frozenset((block,))

    def _run(self, compiled: FakeCompiled, launch: FakeLaunch) -> None:
        if self._effect is not None:
            self._effect(launch)
        elif self.memory.backed:
            compiled.source.function(*launch.args)


def _data(array: Any) -> HostArray | None:
    data: HostArray | None = array.data if isinstance(array, FakeArray) else array
    return data


def _compile_key(kernel: KernelSource, args: Sequence[object]) -> tuple[object, ...]:
    types = tuple(
        (str(arg.dtype), len(arg.shape)) if isinstance(arg, np.ndarray | FakeArray) else type(arg) for arg in args
    )
    return (kernel.function, kernel.name, types)


def _as_fault(event: FakeEvent, error: Exception) -> BaseException:
    if isinstance(error, RkError):
        return error
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    file, line = ("?", 0) if frame is None else (frame.tb_frame.f_code.co_filename, frame.tb_lineno)
    fault = KernelFault(event.name, f"{type(error).__name__}: {error}", file, line)
    fault.__cause__ = error
    return fault
