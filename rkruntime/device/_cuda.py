"""The CUDA device: numba-cuda's host API behind the protocol, with waiting on Trio's side."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import trio

from rkruntime.device._api import Compiled, DeviceEvent, DeviceProperties, DeviceStream, Dim3, HostArray, KernelSource
from rkruntime.device._cuda_compile import CudaCompiled, CudaCompiler
from rkruntime.device._cuda_errors import Meaning, debug_fault, error_name, meaning
from rkruntime.device._cuda_memory import CudaMemory
from rkruntime.device._cuda_numba import numba_driver
from rkruntime.device._cuda_probe import missing, read_properties
from rkruntime.device._cuda_streams import CudaEvent, CudaStream, Watch, sleep_between
from rkruntime.device._limits import check_launch
from rkruntime.errors import ArgumentMismatch, BufferMisuse, DeviceLost, DeviceUnavailable, InvalidLaunch, RkError

__all__ = ("CudaDevice",)

T = TypeVar("T")


class CudaDevice:
    """The current CUDA device, in its primary context, used from the thread that opened it.

    Waiting polls the driver from Trio: no callback of the driver's calls Python. A launch in flight cannot be
    stopped: `cancel` answers False. A copy between the device and host memory that is not staging memory holds the
    calling thread until the driver has staged it.

    Raises:
        DeviceUnavailable: No driver, no GPU, or numba-cuda is not installed; says in one line what is missing.
    """

    def __init__(self) -> None:
        lacking = missing()
        if lacking is not None:
            raise DeviceUnavailable("cuda", lacking)
        self._properties = _open_properties()
        self._memory = CudaMemory(self._idle)
        self._compiler = CudaCompiler()
        self._streams: set[CudaStream] = set()
        self._watch = Watch()
        self._lost: DeviceLost | None = None
        self._thread = threading.get_ident()

    @property
    def properties(self) -> DeviceProperties:
        """What the device is and can do."""
        return self._properties

    def compile(self, kernel: KernelSource, args: Sequence[object]) -> Compiled:
        """Compile for the types of `args`; may be called from any thread.

        Raises:
            KernelCompileError: The kernel does not type or compile; names the author's line.
        """
        self._check_alive()
        return self._guard(lambda: self._compiler.compile(kernel, args))

    def is_compiled(self, kernel: KernelSource, args: Sequence[object]) -> bool:
        """Whether `compile` would answer at once."""
        return self._compiler.is_compiled(kernel, args)

    def allocate(self, size_bytes: int) -> int:
        """Take device memory; `MemoryError` where the driver has not that much, even after frees that waited."""
        self._check()
        try:
            return self._guard(lambda: self._memory.allocate(size_bytes))
        except MemoryError:
            self._memory.release()
        return self._guard(lambda: self._memory.allocate(size_bytes))

    def free(self, address: int, size_bytes: int) -> None:
        """Give device memory back; the driver gets it once the device is idle. Nothing to do once it is lost."""
        if self._lost is None:
            self._guard(lambda: self._memory.free(address, size_bytes))

    def allocate_staging(self, size_bytes: int) -> int:
        """Take pinned host memory."""
        self._check()
        return self._guard(lambda: self._memory.allocate_staging(size_bytes))

    def free_staging(self, address: int, size_bytes: int) -> None:
        """Give pinned host memory back."""
        if self._lost is None:
            self._guard(lambda: self._memory.free_staging(address, size_bytes))

    def array(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """View device memory as a `DeviceNDArray`."""
        self._check()
        return self._memory.view(address, shape, np.dtype(dtype))

    def stream(self) -> CudaStream:
        """Open a new stream."""
        self._check()
        stream = self._guard(lambda: CudaStream(self._fail, lambda: self._lost))
        self._streams.add(stream)
        return stream

    def copy_in(self, target: Any, source: HostArray, stream: DeviceStream) -> CudaEvent:
        """Copy host to device, in the stream's order; staged sources are copied without holding the thread."""
        _check_copy(target, source)
        own = self._own(stream)
        return self._guard(
            lambda: own.submit("copy", lambda: target.copy_to_device(np.ascontiguousarray(source), own.handle))
        )

    def copy_out(self, target: HostArray, source: Any, stream: DeviceStream) -> CudaEvent:
        """Copy device to host, in the stream's order; `target` is C-ordered."""
        _check_copy(target, source)
        if not target.flags.c_contiguous:
            raise ValueError("copy_out writes C-ordered arrays; copy to a contiguous one first")
        own = self._own(stream)
        return self._guard(lambda: own.submit("copy", lambda: source.copy_to_host(target, own.handle)))

    def zero(self, address: int, size_bytes: int, stream: DeviceStream) -> CudaEvent:
        """Set bytes to zero, in the stream's order."""
        own = self._own(stream)
        array = self._memory.view(address, (size_bytes,), np.dtype(np.uint8))
        return self._guard(
            lambda: own.submit("zero", lambda: numba_driver().device_memset(array, 0, size_bytes, own.handle))
        )

    def launch(
        self,
        compiled: Compiled,
        grid: Dim3,
        block: Dim3,
        args: Sequence[object],
        stream: DeviceStream,
        shared_bytes: int = 0,
    ) -> CudaEvent:
        """Queue one launch.

        Raises:
            InvalidLaunch: Outside the device's limits, or the driver refuses it.
            ArgumentMismatch: A host array: the device cannot read it.
        """
        own = self._own(stream)
        assert isinstance(compiled, CudaCompiled)
        check_launch(compiled.name, self._properties, grid, block, shared_bytes)
        _refuse_host_arrays(compiled.name, args)
        configured = compiled.configure(grid, block, own.handle, shared_bytes)
        fault: list[BaseException] = []

        def work() -> None:
            try:
                configured(*args)
            except Exception as error:
                if error_name(error) is not None:
                    raise
                fault.append(debug_fault(compiled.source, error))

        event = self._launch(own, work, compiled, (grid, block, shared_bytes))
        if fault:
            event.finish(fault[0])
        return event

    def cancel(self, event: DeviceEvent) -> bool:  # noqa: ARG002 - the protocol's
        """Answer False: a CUDA launch in flight cannot be stopped."""
        return False

    def preferred_block(self, compiled: Compiled, shared_bytes: int = 0) -> int:
        """Return the threads per block that keep most threads of this kernel active on this device."""
        assert isinstance(compiled, CudaCompiled)
        return self._guard(lambda: compiled.preferred_block(shared_bytes))

    async def wait(self, event: DeviceEvent) -> None:
        """Poll until the event is done, at first without pause, then at most every 1 ms; then raise its error."""
        await trio.lowlevel.checkpoint()
        looks = 0
        while not event.done:
            await sleep_between(looks)
            looks += 1
        if event.error is not None:
            raise event.error

    def on_done(self, event: DeviceEvent, call: Callable[[], None]) -> None:
        """Call once the event is done, from a Trio system task; at once if it is done."""
        assert isinstance(event, CudaEvent)
        self._watch.add(event, call)

    def close(self) -> None:
        """Give back streams and memory; work in flight cannot be stopped, and holds its memory until it ends."""
        if self._lost is not None and self._memory.live_blocks == 0:
            return
        idle = self._idle()
        self._memory.forget()
        self._compiler.clear()
        if idle and self._lost is None:
            self._guard(self._memory.release)
        self._lost = self._lost or DeviceLost(self._properties.name, "it was closed")

    def _idle(self) -> bool:
        busy = {stream for stream in self._streams if not stream.idle}
        self._streams = busy | {stream for stream in self._streams if not stream.closed}
        return not busy

    def _own(self, stream: DeviceStream) -> CudaStream:
        self._check()
        if not isinstance(stream, CudaStream) or stream.closed:
            raise BufferMisuse("a closed stream, or one of another device", repr(stream), "open a new stream")
        return stream

    def _check(self) -> None:
        self._check_alive()
        if threading.get_ident() != self._thread:
            raise RuntimeError("the CUDA device is used from the thread that opened it; only compile is free to move")

    def _check_alive(self) -> None:
        if self._lost is not None:
            raise DeviceLost(self._lost.device, self._lost.what)

    def _launch(
        self, own: CudaStream, work: Callable[[], None], compiled: Compiled, wanted: tuple[Dim3, Dim3, int]
    ) -> CudaEvent:
        try:
            return own.submit("launch", work)
        except Exception as error:
            name = error_name(error)
            if name is not None and meaning(name, launching=True) is Meaning.LAUNCH:
                raise InvalidLaunch(
                    compiled.name,
                    "grid, block, shared_bytes",
                    wanted,
                    f"the driver refuses it with {name}",
                    "take smaller blocks or less shared memory; the kernel's registers limit the block too",
                ) from error
            raise self._fail(error) from error

    def _guard(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except (RkError, MemoryError):
            raise
        except Exception as error:
            ours = self._fail(error)
            if ours is error:
                raise
            raise ours from error

    def _fail(self, error: BaseException) -> BaseException:
        name = error_name(error)
        if name is None:
            return error
        if meaning(name, launching=False) is Meaning.MEMORY:
            return MemoryError(f"{self._properties.name}: {error}")
        self._lost = self._lost or DeviceLost(self._properties.name, str(error))
        return self._lost


def _open_properties() -> DeviceProperties:
    try:
        return read_properties()
    except Exception as error:
        name = error_name(error)
        if name is None:
            raise
        raise DeviceUnavailable("cuda", f"the driver answers {name}") from error


def _refuse_host_arrays(kernel: str, args: Sequence[object]) -> None:
    for place, arg in enumerate(args):
        if isinstance(arg, np.ndarray):
            got = f"a host array {arg.dtype} {arg.shape}"
            raise ArgumentMismatch(kernel, str(place), got, "a device array", "copy it to the device first")


def _check_copy(target: Any, source: Any) -> None:
    if target.shape != source.shape or target.dtype != source.dtype:
        raise ValueError(f"copy {source.dtype} {source.shape} to {target.dtype} {target.shape}: they must agree")
