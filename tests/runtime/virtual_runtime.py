"""A running runtime on a fake device, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from rkruntime.config import RuntimeConfig
from rkruntime.runtime import Actor, Runtime, open_runtime
from rkruntime.testing import FakeDevice, RecordingHook


@asynccontextmanager
async def running(
    device: FakeDevice | None = None, hook: RecordingHook | None = None, instance: str | None = None, **settings: Any
) -> AsyncIterator[Runtime]:
    """A runtime with limits of the size of the tests' times; what is tested begins with the clock at 0."""
    config = RuntimeConfig(worker_threads=1, shutdown_timeout=10.0, cleanup_timeout=2.0, health_check_interval=1000.0)
    hooks = [hook] if hook is not None else []
    settled = attrs.evolve(config, **settings)
    async with open_runtime(settled, device=device or FakeDevice(), hooks=hooks, instance=instance) as runtime:
        yield runtime


class Worker(Actor):
    """Takes as long as it is told to, and may clean up slowly."""

    async def work(self, seconds: float) -> float:
        await trio.sleep(seconds)
        return seconds

    async def work_with_cleanup(self, seconds: float, cleanup_s: float) -> None:
        try:
            await trio.sleep(seconds)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(cleanup_s)

    async def crash(self) -> None:
        raise ValueError("on purpose")
