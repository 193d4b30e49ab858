"""The CPU as a device: kernels compiled by `simt`, workers of its own, host memory.

Work on a stream runs in order, on the workers. While a stream is idle, small work runs at once on the caller's thread:
a launch whose measured time is under `inline_budget_s`, a copy that takes about as long. Its event is then done on
return. A launch counts as small only if its arguments are not much larger than those it was measured with.

A failed operation shows in its own event; later operations of its stream still run.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

import numpy as np
import trio

from rkruntime import simt
from rkruntime.device._api import Compiled, DeviceEvent, DeviceProperties, DeviceStream, Dim3, HostArray, KernelSource
from rkruntime.device._cpu_memory import CpuMemory
from rkruntime.device._cpu_streams import CpuEvent, CpuStream, Operation
from rkruntime.device._limits import check_launch
from rkruntime.errors import ArgumentMismatch, NotRunning
from rkruntime.machine import usable_memory_bytes
from rkruntime.simt._schedule import Call, InPlace, Launch, Workers
from rkruntime.simt._stacks import ArenaStats

__all__ = ("CpuCompiled", "CpuDevice")

COPY_BYTES_PER_S = 4e9
GROWTH = 2  # how much larger than when measured arguments may be for a launch in place


class CpuCompiled:
    """A kernel compiled for the CPU, with what its launches have shown so far.

    Args:
        special: The specialisation that `simt` made.
    """

    def __init__(self, special: Any) -> None:
        self.special = special
        self.name: str = special.name
        self.lowering: str = special.lowering
        self.written: frozenset[int] = special.written
        self.checked: tuple[Dim3, Dim3, int] | None = None
        self.measured_extent = -1

    @property
    def compile_s(self) -> float:
        """Seconds the compilation took."""
        return float(self.special.compile_s)

    def explain(self) -> str:
        """Say how the kernel was lowered, and why so."""
        return str(self.special.explain())


class CpuDevice:
    """The CPU behind the device protocol; call it on one Trio thread.

    Args:
        worker_threads: Threads that run kernels and large copies; they live until `close`.
        inline_budget_s: Launches measured under this, in seconds, run in place; 0 for none.
    """

    def __init__(self, worker_threads: int = 1, inline_budget_s: float = 50e-6) -> None:
        self._properties = DeviceProperties(
            name=_processor_name(),
            kind="cpu",
            total_memory_bytes=usable_memory_bytes(),
            compute_units=worker_threads,
            host_accessible=True,
            cancels_kernels=True,
            inline_budget_s=inline_budget_s,
        )
        self._inline_budget_ns = inline_budget_s * 1e9
        self._inline_bytes = int(inline_budget_s * COPY_BYTES_PER_S)
        self._memory = CpuMemory(self._properties.total_memory_bytes)
        self._staging = CpuMemory(self._properties.total_memory_bytes)
        self._workers = Workers(worker_threads)
        self._in_place = InPlace()
        self._streams: WeakSet[CpuStream] = WeakSet()
        self._kernels: WeakKeyDictionary[KernelSource, Any] = WeakKeyDictionary()
        self._compiled: WeakKeyDictionary[Any, CpuCompiled] = WeakKeyDictionary()
        self._closed = False

    @property
    def properties(self) -> DeviceProperties:
        """What the CPU is and can do."""
        return self._properties

    @property
    def allocated_bytes(self) -> int:
        """Bytes that `allocate` and `allocate_staging` gave and that are not freed."""
        return self._memory.used_bytes + self._staging.used_bytes

    @property
    def arenas(self) -> tuple[ArenaStats, ...]:
        """Stacks and shared memory that each worker holds for kernels on fibers."""
        return self._workers.arenas

    def watch_workers(self, tell: Callable[[int, str, float, float], None] | None) -> None:
        """Tell what each worker does; see `WatchesWorkers`. Launches that run in place take no worker."""
        self._workers.watch = tell

    def compile(self, kernel: KernelSource, args: Sequence[object]) -> CpuCompiled:
        """Compile for the types of `args`; see `Device.compile`. May be called from any thread."""
        special = self._kernel(kernel).specialize(tuple(args))
        return self._compiled.setdefault(special, CpuCompiled(special))

    def is_compiled(self, kernel: KernelSource, args: Sequence[object]) -> bool:
        """Whether `compile` would answer at once."""
        return self._kernel(kernel).find(tuple(args)) is not None

    def allocate(self, size_bytes: int) -> int:
        """Take zeroed memory, aligned to a page; see `Device.allocate`."""
        self._check_open()
        return self._memory.allocate(size_bytes)

    def free(self, address: int, size_bytes: int) -> None:
        """Give back what `allocate` gave."""
        self._memory.free(address, size_bytes)

    def allocate_staging(self, size_bytes: int) -> int:
        """Take host memory; on this device it is like any other."""
        self._check_open()
        return self._staging.allocate(size_bytes)

    def free_staging(self, address: int, size_bytes: int) -> None:
        """Give back what `allocate_staging` gave."""
        self._staging.free(address, size_bytes)

    def array(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> HostArray:
        """View device memory as a NumPy array, C order."""
        return self._memory.array(address, shape, np.dtype(dtype))

    def stream(self) -> CpuStream:
        """Open a new stream."""
        self._check_open()
        stream = CpuStream(self._workers)
        self._streams.add(stream)
        return stream

    def copy_in(self, target: Any, source: HostArray, stream: DeviceStream) -> CpuEvent:
        """Copy host to device, in the stream's order.

        Raises:
            ArgumentMismatch: Shapes or dtypes differ.
        """
        return self._copy("copy_in", target, source, stream)

    def copy_out(self, target: HostArray, source: Any, stream: DeviceStream) -> CpuEvent:
        """Copy device to host, in the stream's order.

        Raises:
            ArgumentMismatch: Shapes or dtypes differ.
        """
        return self._copy("copy_out", target, source, stream)

    def zero(self, address: int, size_bytes: int, stream: DeviceStream) -> CpuEvent:
        """Set bytes to zero, in the stream's order."""
        block = self._memory.array(address, (size_bytes,), np.dtype(np.uint8))
        return self._call("zero", partial(block.fill, 0), size_bytes, stream)

    def launch(
        self,
        compiled: Compiled,
        grid: Dim3,
        block: Dim3,
        args: Sequence[object],
        stream: DeviceStream,
        shared_bytes: int = 0,
    ) -> CpuEvent:
        """Queue one launch, or run it at once if it is small and its stream idle; see `Device.launch`."""
        assert isinstance(compiled, CpuCompiled)
        assert isinstance(stream, CpuStream)
        shape = (grid, block, shared_bytes)
        if shape != compiled.checked:
            check_launch(compiled.name, self._properties, grid, block, shared_bytes)
            compiled.checked = shape
        arguments = tuple(args)
        extent = _extent(arguments)
        if self._runs_in_place(compiled, grid, extent, stream):
            return CpuEvent.over(*self._in_place.run(compiled.special, grid, block, arguments, shared_bytes))
        return self._queue_launch(compiled, shape, arguments, extent, stream)

    def cancel(self, event: DeviceEvent) -> bool:
        """Stop a launch: its event is done within a chunk (about 1 ms), or at its turn if it has not begun."""
        assert isinstance(event, CpuEvent)
        operation = event.operation
        return operation is not None and operation.cancel("it was asked to stop")

    async def wait(self, event: DeviceEvent) -> None:
        """Wait until `event` is done, then raise its error if it has one; always a checkpoint."""
        assert isinstance(event, CpuEvent)
        task, token = trio.lowlevel.current_task(), trio.lowlevel.current_trio_token()
        waits = True

        def wake() -> None:
            nonlocal waits
            if waits:
                waits = False
                trio.lowlevel.reschedule(task)

        def abort(_: Any) -> trio.lowlevel.Abort:
            nonlocal waits
            waits = False
            event.forget(tell)
            return trio.lowlevel.Abort.SUCCEEDED

        tell = partial(_in_trio, token, wake)
        if not event.done and event.then(tell):
            await trio.lowlevel.wait_task_rescheduled(abort)
        else:
            await trio.lowlevel.checkpoint()
        if event.error is not None:
            raise event.error

    def on_done(self, event: DeviceEvent, call: Callable[[], None]) -> None:
        """Call `call` once the event is done, in the Trio thread; at once if it is done."""
        assert isinstance(event, CpuEvent)
        if event.done or not event.then(partial(_in_trio, trio.lowlevel.current_trio_token(), call)):
            call()

    def close(self) -> None:
        """Cancel what is in flight, end the threads and give all memory back; again is harmless.

        Blocks until running kernels have seen that they are cancelled.
        """
        self._closed = True
        for stream in tuple(self._streams):
            stream.cancel_all("the device was closed")
        self._workers.close()
        self._in_place.close()
        self._memory.close()
        self._staging.close()

    def _kernel(self, source: KernelSource) -> Any:
        kernel = self._kernels.get(source)
        if kernel is None:
            kernel = simt.Kernel(source.function, name=source.name, options=dict(source.options))
            kernel = self._kernels.setdefault(source, kernel)
        return kernel

    def _runs_in_place(self, compiled: CpuCompiled, grid: Dim3, extent: int, stream: CpuStream) -> bool:
        ns = compiled.special.ns_per_block
        return (
            ns is not None
            and not compiled.special.has_open_loop
            and ns * (grid[0] * grid[1] * grid[2]) < self._inline_budget_ns
            and extent <= compiled.measured_extent * GROWTH
            and stream.idle
            and not self._closed
        )

    def _queue_launch(
        self,
        compiled: CpuCompiled,
        shape: tuple[Dim3, Dim3, int],
        args: tuple[object, ...],
        extent: int,
        stream: CpuStream,
    ) -> CpuEvent:
        self._check_open()
        grid, block, shared_bytes = shape

        def make(done: Callable[[], None]) -> Launch:
            def over() -> None:
                if launch.error is None:
                    compiled.measured_extent = max(compiled.measured_extent, extent)
                done()

            launch = Launch(compiled.special, grid, block, args, shared_bytes, over)
            return launch

        return stream.add(Operation(compiled.name, make, cancels=True))

    def _copy(self, name: str, target: Any, source: Any, stream: DeviceStream) -> CpuEvent:
        if target.shape != source.shape or target.dtype != source.dtype:
            got, wanted = (f"{a.dtype} of shape {a.shape}" for a in (source, target))
            raise ArgumentMismatch(name, "source", got, wanted, "copy between arrays of one shape and dtype")
        return self._call(name, partial(np.copyto, target, source), target.nbytes, stream)

    def _call(self, name: str, function: Callable[[], object], size_bytes: int, stream: DeviceStream) -> CpuEvent:
        assert isinstance(stream, CpuStream)
        self._check_open()
        if size_bytes <= self._inline_bytes and stream.idle:
            started = perf_counter()
            function()
            return CpuEvent.over(None, perf_counter() - started)
        return stream.add(Operation(name, partial(Call, function)))

    def _check_open(self) -> None:
        if self._closed:
            raise NotRunning("closed")


def _in_trio(token: trio.lowlevel.TrioToken, call: Callable[[], None]) -> None:
    """Call in the Trio thread, unless Trio is over: then nobody waits any more."""
    try:
        token.run_sync_soon(call)
    except trio.RunFinishedError:
        return


def _extent(args: tuple[object, ...]) -> int:
    """Return how much work the arguments may stand for: array elements, and the size of whole numbers."""
    total = 0
    for value in args:
        if isinstance(value, np.ndarray):
            total += value.size
        elif isinstance(value, int | np.integer):
            total += abs(int(value))
    return total


def _processor_name() -> str:
    """Return the processor's name as its maker writes it, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
