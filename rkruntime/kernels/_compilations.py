"""Compilations, each on a thread of its own, and who answers for them: LLVM cannot be stopped, only waited for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import trio

from rkruntime.device import Compiled, Device, KernelSource

__all__ = ("Compilations",)


class Compilations:
    """Bounds and keeps account of the threads that compile, also of those whose caller is gone.

    Args:
        at_once: Threads that may compile at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self._limiter = trio.CapacityLimiter(at_once)
        self._running: dict[object, str] = {}
        self._idle = trio.Event()

    @property
    def running(self) -> tuple[str, ...]:
        """The kernels whose compilation has begun and has not ended."""
        return tuple(self._running.values())

    async def compile(self, device: Device, source: KernelSource, args: Sequence[Any]) -> Compiled:
        """Compile off the Trio thread, unless that is done at once.

        A caller that is cancelled leaves at once. The thread goes on to its end, keeps its place among those that run,
        and leaves its kernel to the next launch.

        Raises:
            UnsupportedKernel, KernelCompileError: As `Device.compile` does.
        """
        given = tuple(args)
        if device.is_compiled(source, given):
            return device.compile(source, given)
        place = _Place(source.name, self)
        return await trio.to_thread.run_sync(
            device.compile,
            source,
            given,
            abandon_on_cancel=True,
            limiter=place,  # type: ignore[arg-type] # Trio takes whatever acquires and releases as its own limiter does
        )

    async def wait_idle(self) -> None:
        """Wait until no compilation runs."""
        while self._running:
            await self._idle.wait()

    async def begin(self, thread: object, name: str) -> None:
        """Wait for a place, and note whose it is."""
        await self._limiter.acquire_on_behalf_of(thread)
        self._running[thread] = name

    def end(self, thread: object) -> None:
        """Give a place back, and wake those who wait for the last one."""
        del self._running[thread]
        self._limiter.release_on_behalf_of(thread)
        if not self._running:
            self._idle.set()
            self._idle = trio.Event()


class _Place:
    """One compilation's limiter: Trio gives it back when the thread has ended, whatever became of the caller."""

    def __init__(self, name: str, compilations: Compilations) -> None:
        self._name = name
        self._compilations = compilations

    async def acquire_on_behalf_of(self, thread: object) -> None:
        await self._compilations.begin(thread, self._name)

    def release_on_behalf_of(self, thread: object) -> None:
        self._compilations.end(thread)
