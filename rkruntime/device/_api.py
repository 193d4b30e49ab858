"""What a device is to the rest of the runtime: one protocol, in the order in which work flows.

A device compiles kernels, hands out memory, and runs work in order on streams. Every piece of work on a stream is
stood for by an event; waiting for an event is the only thing here that Trio awaits. Policies (pools, limits, drain)
live above: a device never decides, it does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import attrs
import numpy as np
import numpy.typing as npt

__all__ = (
    "Compiled",
    "Device",
    "DeviceEvent",
    "DeviceProperties",
    "DeviceStream",
    "Dim3",
    "HostArray",
    "KernelSource",
    "Timing",
    "WatchesWorkers",
)

Dim3: TypeAlias = tuple[int, int, int]
HostArray: TypeAlias = npt.NDArray[Any]


@attrs.frozen(kw_only=True)
class DeviceProperties:
    """What a device is and can do.

    Args:
        name: The maker's name of it, for people.
        kind: `cpu`, `cuda` or `fake`.
        total_memory_bytes: Memory that the device has in all.
        compute_units: Multiprocessors of a GPU, worker threads of the CPU.
        host_accessible: Host arrays may be passed to kernels as they are, with no copy.
        cancels_kernels: A launch in flight can be stopped; where not, its buffers wait for its event.
        inline_budget_s: Launches measured under this run in place; 0 where none does.
    """

    name: str
    kind: str
    total_memory_bytes: int
    compute_units: int
    host_accessible: bool
    cancels_kernels: bool
    inline_budget_s: float = 0.0
    max_threads_per_block: int = 1024
    max_block: Dim3 = (1024, 1024, 64)
    max_grid: Dim3 = (2**31 - 1, 65535, 65535)
    max_shared_bytes: int = 48 * 1024
    warp_size: int = 32


@attrs.frozen(eq=False)
class KernelSource:
    """A kernel as its author wrote it.

    Args:
        function: The plain Python function.
        name: What errors call it; by default the function's own name.
        options: `debug`, `fastmath` and the like, as `cuda.jit` takes them.
        dispatcher: The author's own `@cuda.jit` dispatcher, if there is one.
    """

    function: FunctionType
    name: str
    options: Mapping[str, Any] = attrs.field(factory=dict)
    dispatcher: Any = None


class Timing(NamedTuple):
    """Where the time of one piece of work went, in seconds."""

    queued_s: float
    ran_s: float


class DeviceEvent(Protocol):
    """A point on a stream: `done` once all work before it has finished, well or badly."""

    @property
    def done(self) -> bool:
        """Whether the work has finished; never blocks."""
        ...

    @property
    def error(self) -> BaseException | None:
        """What the work raised, once done; an `RkError` wherever the kernel's author is to blame."""
        ...

    @property
    def timing(self) -> Timing | None:
        """Queue and run time, once done, where the device measures them."""
        ...


class DeviceStream(Protocol):
    """Work in order. Work on two streams has no order."""

    def record(self) -> DeviceEvent:
        """Stand for everything submitted to this stream so far."""
        ...

    def close(self) -> None:
        """Give the stream back; its work finishes."""
        ...


class Compiled(Protocol):
    """A kernel compiled for one list of argument types on one device."""

    @property
    def name(self) -> str:
        """The kernel's name."""
        ...

    @property
    def lowering(self) -> str:
        """`loop`, `fibers` or `cuda`: which technique runs it."""
        ...

    @property
    def written(self) -> frozenset[int]:
        """Positions of arguments that the kernel may store to; all of them where that is not known."""
        ...

    @property
    def compile_s(self) -> float:
        """Seconds the compilation took; 0 where it came out of a cache."""
        ...

    def explain(self) -> str:
        """Say how the kernel was lowered, and why so."""
        ...


class Device(Protocol):
    """One device, open."""

    @property
    def properties(self) -> DeviceProperties:
        """What the device is and can do."""
        ...

    def compile(self, kernel: KernelSource, args: Sequence[object]) -> Compiled:
        """Compile for the types of `args` (device arrays, NumPy arrays, scalars); cached by type.

        Blocks for as long as the compiler takes: call it off the Trio thread.

        Raises:
            UnsupportedKernel: A construct that this device's compiler cannot take.
            KernelCompileError: The kernel does not type or compile for these arguments.
        """
        ...

    def is_compiled(self, kernel: KernelSource, args: Sequence[object]) -> bool:
        """Whether `compile` would answer at once."""
        ...

    def allocate(self, size_bytes: int) -> int:
        """Take memory from the device; the address is aligned to 256 bytes.

        Raises:
            MemoryError: The device has not that much; the pools turn it into `OutOfDeviceMemory`.
        """
        ...

    def free(self, address: int, size_bytes: int) -> None:
        """Give back what `allocate` gave; no work may be using it."""
        ...

    def allocate_staging(self, size_bytes: int) -> int:
        """Take host memory for copies: pinned on CUDA, plain elsewhere."""
        ...

    def free_staging(self, address: int, size_bytes: int) -> None:
        """Give back what `allocate_staging` gave."""
        ...

    def array(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        """View device memory as a C-ordered array that `launch` takes: NumPy on CPU, DeviceNDArray on CUDA."""
        ...

    def stream(self) -> DeviceStream:
        """Open a new stream."""
        ...

    def copy_in(self, target: Any, source: HostArray, stream: DeviceStream) -> DeviceEvent:
        """Copy host to device, in the stream's order; `source` must not change before the event is done."""
        ...

    def copy_out(self, target: HostArray, source: Any, stream: DeviceStream) -> DeviceEvent:
        """Copy device to host, in the stream's order."""
        ...

    def zero(self, address: int, size_bytes: int, stream: DeviceStream) -> DeviceEvent:
        """Set bytes to zero, in the stream's order."""
        ...

    def launch(
        self,
        compiled: Compiled,
        grid: Dim3,
        block: Dim3,
        args: Sequence[object],
        stream: DeviceStream,
        shared_bytes: int = 0,
    ) -> DeviceEvent:
        """Queue one launch and return its event; small launches may have run by then.

        Raises:
            InvalidLaunch: Grid, block or shared memory outside the device's limits.
        """
        ...

    def cancel(self, event: DeviceEvent) -> bool:
        """Ask the launch that `event` stands for to stop; false where the device cannot.

        Its event becomes done soon after, with `LaunchCancelled` as its error.
        """
        ...

    async def wait(self, event: DeviceEvent) -> None:
        """Wait until `event` is done, then raise its error if it has one.

        Cancelling the wait leaves the work as it is: whoever cancels decides about `cancel` and the buffers.
        """
        ...

    def on_done(self, event: DeviceEvent, call: Callable[[], None]) -> None:
        """Call `call` once the event is done, in the Trio thread; at once if it is done."""
        ...

    def close(self) -> None:
        """Release streams, threads and memory; work in flight is cancelled where it can be."""
        ...


@runtime_checkable
class WatchesWorkers(Protocol):
    """A device that has worker threads, and tells what each does."""

    def watch_workers(self, tell: Callable[[int, str, float, float], None] | None) -> None:
        """Call `tell(worker, name, began, ended)` after each piece of a worker's work; None ends that.

        It is called on the worker's thread; times are those of `time.perf_counter`.
        """
        ...
