"""Launch kernels on one stream of a device: compile, copy in, run, copy out, and say where the time went."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from time import perf_counter
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import trio

from rkruntime.device import Compiled, Device, DeviceEvent, DeviceStream, Dim3
from rkruntime.kernels._arguments import NOT_DIRECT, bind, read_direct
from rkruntime.kernels._compilations import Compilations
from rkruntime.kernels._grid import Extent, resolve
from rkruntime.kernels._records import LaunchRecord
from rkruntime.kernels._signatures import as_declared
from rkruntime.kernels._spec import KernelSpec
from rkruntime.kernels._staging import Memory, Staged
from rkruntime.kernels._watched import OnLaunch, watched

__all__ = ("Launcher",)

CLEANUP_S = 5.0
COMPILATIONS = 8
TURN_S = 1e-3
"""Launches that end in place give other tasks a turn at least this often, in seconds."""


class Launcher:
    """Launches kernels, in order, on one stream.

    Args:
        device: Where they run.
        memory: Where pooled arrays come from.
        stream: The stream.
        compilations: Runs them, and answers for their threads; the launcher's own if left out.
        cleanup_s: Seconds that a cancelled launch may take to stop.
        on_unstoppable: Called with the event of a launch that was cancelled and goes on: the device cannot stop it,
            or it did not stop in time. Its pooled arrays are freed after that event.
        on_launch: Called with each launch's `LaunchDone`, where somebody wants to hear of them.
    """

    def __init__(
        self,
        device: Device,
        memory: Memory,
        stream: DeviceStream,
        *,
        compilations: Compilations | None = None,
        cleanup_s: float = CLEANUP_S,
        on_unstoppable: Callable[[DeviceEvent], None] | None = None,
        on_launch: OnLaunch | None = None,
    ) -> None:
        self.device = device
        self.memory = memory
        self.stream = stream
        self._compilations = compilations or Compilations(COMPILATIONS)
        self._cleanup_s = cleanup_s
        self._on_unstoppable = on_unstoppable
        self._on_launch = on_launch
        self._properties = device.properties
        self._host_accessible = self._properties.host_accessible
        self._has_occupancy = self._properties.kind == "cuda"
        self._compiled: WeakKeyDictionary[KernelSpec, dict[Any, Compiled]] = WeakKeyDictionary()
        self._last: KernelSpec | None = None
        self._last_compiled: dict[Any, Compiled] = {}
        self._turn_at = 0.0
        self._clock: trio.abc.Clock | None = None

    def launch(
        self,
        spec: KernelSpec,
        *args: Any,
        over: Extent | None = None,
        grid: Extent | None = None,
        block: Extent | None = None,
        shared: int = 0,
    ) -> Coroutine[Any, Any, LaunchRecord]:
        """Launch a kernel and wait for its end.

        A launch that is cancelled while its kernel compiles ends at once; the compiler cannot be stopped, so its thread
        goes on to its end among the `compilations`, and leaves its result to the next launch. A launch that is
        cancelled later stops where the device can stop it, and host arrays hold whatever it had stored by then.

        Args:
            spec: The kernel.
            args: Its arguments: numbers, tuples of numbers, NumPy arrays, device arrays; `In`, `Out` or `InOut` say
                which way an array is copied, and a plain one goes both ways.
            over: One thread an element: a length or a shape of up to three axes, the first along x.
            grid: Blocks, in place of `over`.
            block: Threads a block; by default the kernel's hint, else 256, 16 x 16 or 8 x 8 x 4.
            shared: Bytes of dynamic shared memory a block.

        Raises:
            ArgumentMismatch: An argument that the kernel cannot take.
            InvalidLaunch: Grid, block or shared memory outside what is allowed.
            UnsupportedKernel: A construct that the device's compiler cannot take.
            KernelCompileError: The kernel does not compile for these arguments.
            KernelFault: A thread raised.
            OutOfDeviceMemory: The arrays do not fit.
            LaunchCancelled: Somebody else stopped the launch.
        """
        launch = self._launch(spec, args, over, grid, block, shared)
        if self._on_launch is None:
            return launch
        clock = self._clock
        if clock is None:
            clock = self._clock = trio.lowlevel.current_clock()
        return watched(spec.name, launch, self._on_launch, clock)

    async def _launch(
        self,
        spec: KernelSpec,
        args: tuple[Any, ...],
        over: Extent | None,
        grid: Extent | None,
        block: Extent | None,
        shared: int,
    ) -> LaunchRecord:
        await trio.lowlevel.checkpoint_if_cancelled()
        begun = perf_counter()
        whole = len(args) == len(spec.parameters)  # else defaults are to be filled in, or arguments refused
        if spec.declared and whole:
            args = as_declared(spec.name, spec.parameters, spec.declared, args)
        shape = resolve(spec.name, over, grid, block, spec.block)
        key, values, pooled = read_direct(args, self._host_accessible) if whole else NOT_DIRECT
        if spec is not self._last:
            self._last, self._last_compiled = spec, self._compiled.setdefault(spec, {})
        compiled = None if key is None else self._last_compiled.get(key)
        if compiled is not None and (not self._has_occupancy or self._is_chosen(spec, over, block)):
            ready = perf_counter()
            event = self.device.launch(compiled, *shape, values, self.stream, shared)
            for array in pooled:
                array.touch(event, self.stream)
            if not event.done:
                await self._end(event, values)
            elif ready >= self._turn_at:
                self._turn_at = ready + TURN_S  # before it waits: launches beside it need not give way too
                await trio.lowlevel.checkpoint()
            if event.error is not None:
                raise event.error
            return self._record(compiled, shape, event, begun, ready, perf_counter())
        staged = Staged(spec, bind(spec, args), self._properties, self.memory)
        events: list[DeviceEvent] = []
        try:
            return await self._launch_staged(spec, staged, (over, block, shape, shared), key, begun, events)
        finally:
            staged.free(events[0] if events and not events[0].done else None, self.stream)

    async def _launch_staged(
        self,
        spec: KernelSpec,
        staged: Staged,
        asked: tuple[Extent | None, Extent | None, tuple[Dim3, Dim3], int],
        key: Any,
        begun: float,
        events: list[DeviceEvent],
    ) -> LaunchRecord:
        over, block, shape, shared = asked
        await staged.place()
        placed = perf_counter()
        compiled = await self._compilations.compile(self.device, spec.source, staged.args)
        compile_s = perf_counter() - placed
        await staged.fill(compiled)
        if key is not None and staged.direct:
            self._compiled.setdefault(spec, {})[key] = compiled
        if self._has_occupancy and not self._is_chosen(spec, over, block):
            shape = _with_preferred_block(compiled, spec.name, over, shape, shared)
        ready = perf_counter()
        event = self.device.launch(compiled, *shape, staged.args, self.stream, shared)
        events.append(event)
        staged.touch(event, self.stream)
        await self._end(event, staged.args)
        ended = perf_counter()
        await staged.bring_back(compiled)
        return self._record(compiled, shape, event, begun, ready, ended, compile_s, perf_counter() - ended)

    async def _end(self, event: DeviceEvent, args: Sequence[Any]) -> None:
        """Wait for the launch, and raise its error; others have had a turn by then, also where it is done already."""
        self._turn_at = perf_counter() + TURN_S
        try:
            await self.device.wait(event)
        except trio.Cancelled:
            await self._stop(event, args)
            raise

    def _record(
        self,
        compiled: Compiled,
        shape: tuple[Dim3, Dim3],
        event: DeviceEvent,
        begun: float,
        ready: float,
        ended: float,
        compile_s: float = 0.0,
        copy_out_s: float = 0.0,
    ) -> LaunchRecord:
        """Account for the time of a launch that began, was ready to be queued, and ended on the device."""
        queue_s, device_s = event.timing or (0.0, ended - ready)
        fields = (
            compiled.name,
            self._properties.name,
            compiled.lowering,
            *shape,
            compile_s,
            ready - begun - compile_s,
            queue_s,
            device_s,
            copy_out_s,
            ended - begun + copy_out_s,
            compiled.written,
        )
        return tuple.__new__(LaunchRecord, fields)  # as its own `__new__` does, in half the time

    def _is_chosen(self, spec: KernelSpec, over: Extent | None, block: Extent | None) -> bool:
        """Whether the block is settled, and not the device's occupancy calculator's to choose, where it has one."""
        return block is not None or spec.block is not None or over is None

    async def _stop(self, event: DeviceEvent, args: Sequence[Any]) -> None:
        """End a launch whose caller is gone, or leave it to its event where it cannot be ended in time."""
        if event.done:
            return
        if self.device.cancel(event):
            with trio.move_on_after(self._cleanup_s, shield=True):
                try:
                    await self.device.wait(event)
                except Exception:  # the launch's own error: its caller is gone
                    if not event.done:
                        raise
        if not event.done:
            self.device.on_done(event, _Keep(args))
            if self._on_unstoppable is not None:
                self._on_unstoppable(event)


class _Keep:
    """Keeps what a launch works on alive until its event is done."""

    def __init__(self, args: Sequence[Any]) -> None:
        self._args: Sequence[Any] = args

    def __call__(self) -> None:
        self._args = ()


def _with_preferred_block(
    compiled: Compiled, name: str, over: Extent | None, shape: tuple[Dim3, Dim3], shared: int
) -> tuple[Dim3, Dim3]:
    """Let the device's occupancy calculator choose the block, where it has one and work lies along one axis."""
    prefer: Callable[[int], int] | None = getattr(compiled, "preferred_block", None)
    if prefer is None or not isinstance(over, int | np.integer):
        return shape
    return resolve(name, over, None, prefer(shared), None)
