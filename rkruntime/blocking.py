"""Use the runtime from scripts and notebooks: Trio on a thread of its own, every call blocking.

    with rkruntime.blocking.open_runtime() as runtime:
        saxpy = runtime.spawn(saxpy_kernel)
        saxpy.launch(2.0, x, y, rk.Out(out), over=out.size)

No event loop is needed, and one that runs already (a notebook's asyncio) is left alone. Ctrl-C during a call cancels
that call, waits for it to be cleaned up, and raises KeyboardInterrupt as it would anywhere.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, cast

import numpy.typing as npt
import trio

from rkruntime.actors import Actor, ActorInfo, Ref
from rkruntime.config import RuntimeConfig
from rkruntime.device import Device, DeviceProperties, HostArray
from rkruntime.errors import NotRunning
from rkruntime.kernels import LaunchRecord
from rkruntime.latch import Latch
from rkruntime.memory import DeviceArray, MemoryStats
from rkruntime.runtime import DrainReport, Health, KernelRef, Runtime, State
from rkruntime.runtime import open_runtime as open_async
from rkruntime.runtime._single import single

__all__ = ("BlockingArray", "BlockingKernel", "BlockingRef", "BlockingRuntime", "open_runtime")

A = TypeVar("A", bound=Actor)
P = ParamSpec("P")
R = TypeVar("R")


class _Answer(Generic[R]):
    """What another thread comes to, waited for in a way that Ctrl-C may end at any point."""

    def __init__(self) -> None:
        self._told = Latch()
        self._value: R | None = None
        self._error: BaseException | None = None

    @property
    def told(self) -> bool:
        """Whether there is a value or an error."""
        return self._told.is_set

    def tell(self, value: R) -> None:
        """Give the value; this or `fail`, once."""
        self._value = value
        self._told.set()

    def fail(self, error: BaseException) -> None:
        """Give the error instead."""
        self._error = error
        self._told.set()

    def wait(self) -> None:
        """Wait for either."""
        self._told.wait()

    def result(self) -> R:
        """Wait, and return the value or raise the error."""
        self._told.wait()
        if self._error is not None:
            raise self._error
        return cast(R, self._value)


class _Portal:
    """A Trio thread that hosts one runtime and runs calls handed to it, each in a cancel scope of its own."""

    def __init__(self, opened: AbstractAsyncContextManager[Runtime]) -> None:
        self._ready: _Answer[Runtime] = _Answer()
        self._ended: _Answer[None] = _Answer()
        self._begun: _Answer[trio.lowlevel.TrioToken] = _Answer()
        self._starting = trio.CancelScope()
        main = functools.partial(self._main, opened)
        self._thread = threading.Thread(target=main, name="rkruntime-trio", daemon=True)
        self._thread.start()
        try:
            self.runtime = self._ready.result()
        except BaseException:
            self._give_up()
            raise

    def _give_up(self) -> None:
        """End a thread whose runtime did not start, or was interrupted while it did: nobody could close it later."""
        with contextlib.suppress(trio.RunFinishedError):
            self._begun.result().run_sync_soon(self._starting.cancel)
        self._thread.join()

    def _main(self, opened: AbstractAsyncContextManager[Runtime]) -> None:
        try:
            trio.run(self._serve, opened)
        except BaseException as error:
            (self._ended if self._ready.told else self._ready).fail(single(error))
        else:
            self._ended.tell(None)

    async def _serve(self, opened: AbstractAsyncContextManager[Runtime]) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._closing = trio.Event()
        self._begun.tell(self._token)
        with self._starting:
            async with trio.open_nursery() as self._calls, opened as runtime:
                self._ready.tell(runtime)
                await self._closing.wait()

    def call(self, function: Callable[..., Awaitable[R]], *args: Any, **kwargs: Any) -> R:
        """Run `await function(*args, **kwargs)` in the Trio thread and return its result.

        Raises:
            NotRunning: The thread has ended.
        """
        answer: _Answer[R] = _Answer()
        scope = trio.CancelScope()
        begun = False

        async def run() -> None:
            with scope:
                try:
                    answer.tell(await function(*args, **kwargs))
                except Exception as error:
                    answer.fail(error)
            if not answer.told:
                answer.fail(NotRunning("stopped"))

        def begin() -> None:
            nonlocal begun
            begun = True
            try:
                self._calls.start_soon(run)
            except RuntimeError:  # the nursery has ended: the runtime failed, or was closed by another thread
                answer.fail(NotRunning("stopped"))

        def give_up() -> None:
            scope.cancel()
            if not begun:  # Ctrl-C came before the call was handed over
                answer.fail(NotRunning("stopped"))

        try:
            try:
                self._token.run_sync_soon(contextvars.copy_context().run, begin)
            except trio.RunFinishedError:
                raise NotRunning("stopped") from None
            return answer.result()
        except KeyboardInterrupt:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(give_up)
                answer.wait()
            raise

    def close(self) -> None:
        """Drain, end the Trio thread, and raise what it ended with; Ctrl-C meanwhile cancels what is in flight."""
        with contextlib.suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._closing.set)
        try:
            self._ended.result()
        except KeyboardInterrupt:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(self.runtime.hurry)
            self._ended.result()
            raise
        finally:
            self._thread.join()


class BlockingArray:
    """A device array of the caller's, seen from outside the Trio thread."""

    def __init__(self, portal: _Portal, array: DeviceArray) -> None:
        self._portal = portal
        self._array = array

    @property
    def shape(self) -> tuple[int, ...]:
        """Elements along each axis."""
        return self._array.shape

    @property
    def dtype(self) -> Any:
        """The element type."""
        return self._array.dtype

    @property
    def size(self) -> int:
        """Elements in all."""
        return self._array.size

    def copy_to_host(self, out: HostArray | None = None) -> HostArray:
        """Copy to `out`, or to a new NumPy array of the same shape and dtype."""
        return self._portal.call(self._array.copy_to_host, out)

    def copy_from_host(self, host: HostArray) -> None:
        """Overwrite with `host`, of the same shape and dtype."""
        self._portal.call(self._array.copy_from_host, host)

    def free(self) -> None:
        """Give the memory back; the array must not be used after."""

        async def free() -> None:
            self._array.free()

        self._portal.call(free)

    def __repr__(self) -> str:
        return f"<BlockingArray of {self._array!r}>"


def _inner(value: Any) -> Any:
    return value._array if isinstance(value, BlockingArray) else value


class BlockingRef(Generic[A]):
    """An actor, asked from outside the Trio thread."""

    def __init__(self, portal: _Portal, ref: Ref[A]) -> None:
        self._portal = portal
        self._ref = ref

    @property
    def name(self) -> str:
        """The actor's name."""
        return self._ref.name

    def ask(self, method: Callable[Concatenate[A, P], Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Send a message and wait for its result, as `Ref.ask` does."""
        result: R = self._portal.call(self._ref.ask, method, *map(_inner, args), **kwargs)
        return result

    def tell(self, method: Callable[Concatenate[A, P], Awaitable[Any]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Send a message; return once the mailbox has taken it."""
        self._portal.call(self._ref.tell, method, *map(_inner, args), **kwargs)

    def stop(self) -> None:
        """Stop the actor, and wait until it has."""
        self._portal.call(self._ref.stop)


class BlockingKernel:
    """A kernel actor, launched from outside the Trio thread."""

    def __init__(self, portal: _Portal, ref: KernelRef) -> None:
        self._portal = portal
        self._ref = ref

    @property
    def name(self) -> str:
        """The actor's name."""
        return self._ref.name

    def launch(self, *args: Any, **how: Any) -> LaunchRecord:
        """Launch and wait, as `KernelRef.launch` does: `over=`, or `grid=` and `block=`, and `shared=`."""
        return self._portal.call(self._ref.launch, *map(_inner, args), **how)

    def stop(self) -> None:
        """Stop the actor, and wait until it has."""
        self._portal.call(self._ref.stop)


class BlockingRuntime:
    """A running runtime, seen from outside its Trio thread."""

    def __init__(self, portal: _Portal) -> None:
        self._portal = portal
        self._runtime = portal.runtime

    def spawn(self, target: Any, *args: Any, **options: Any) -> Any:
        """Start an actor, or a kernel as an actor; as `Runtime.spawn` does."""
        ref = self._portal.call(self._runtime.spawn, target, *args, **options)
        return BlockingKernel(self._portal, ref) if isinstance(ref, KernelRef) else BlockingRef(self._portal, ref)

    def empty(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> BlockingArray:
        """Allocate a device array that the caller owns, with undefined contents."""
        return BlockingArray(self._portal, self._portal.call(self._runtime.empty, shape, dtype))

    def zeros(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> BlockingArray:
        """Allocate a device array of zeros that the caller owns."""
        return BlockingArray(self._portal, self._portal.call(self._runtime.zeros, shape, dtype))

    def array(self, host: HostArray) -> BlockingArray:
        """Copy `host` to a device array that the caller owns."""
        return BlockingArray(self._portal, self._portal.call(self._runtime.array, host))

    def shutdown(self, timeout: float | None = None) -> DrainReport:
        """Drain and stop, as `Runtime.shutdown` does."""
        return self._portal.call(self._runtime.shutdown, timeout)

    @property
    def state(self) -> State:
        """Where the runtime stands."""
        return self._runtime.state

    @property
    def instance(self) -> str | None:
        """The name that its control socket has; None where it has none."""
        return self._runtime.instance

    @property
    def health(self) -> Health:
        """What probes see."""
        return self._runtime.health

    @property
    def report(self) -> DrainReport | None:
        """How the shutdown ended; None before it."""
        return self._runtime.report

    @property
    def device(self) -> DeviceProperties:
        """What device it is."""
        return self._runtime.device.properties

    @property
    def actors(self) -> tuple[ActorInfo, ...]:
        """The live actors."""
        return self._runtime.actors

    @property
    def memory(self) -> MemoryStats:
        """The memory's accounts."""
        return self._runtime.memory.stats()


@contextlib.contextmanager
def open_runtime(
    config: RuntimeConfig | None = None,
    *,
    device: Device | None = None,
    hooks: Sequence[Callable[[Any], None]] = (),
    instance: str | None = None,
) -> Iterator[BlockingRuntime]:
    """Start a runtime on a Trio thread of its own, and drain it at the end of the block.

    Args:
        config: Settings; the defaults if left out.
        device: An open device to use in place of the configured one; it then belongs to the runtime.
        hooks: Each is called with every record as it happens, on the runtime's thread.
        instance: The name under which `rustkernel runtime status` finds it, as for `rkruntime.open_runtime`.

    Raises:
        RkError: What kept the runtime from starting, or what it ended with.
    """
    portal = _Portal(open_async(config, device=device, hooks=hooks, instance=instance))
    try:
        yield BlockingRuntime(portal)
    finally:
        portal.close()
