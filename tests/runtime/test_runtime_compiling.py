"""What compiles when a runtime ends: its thread is waited for, and named where that is in vain."""

import threading
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing
from virtual_runtime import running

from rkruntime.errors import MessageCancelled
from rkruntime.runtime import Runtime, State
from rkruntime.testing import FakeDevice


def scale(x: np.ndarray, a: float) -> None:
    x *= a


class SlowCompiler(FakeDevice):
    """Compiles until it is let go, all but the canary."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.let_go = threading.Event(), threading.Event()

    def is_compiled(self, kernel: Any, args: Any) -> bool:
        return kernel.name == "canary"

    def compile(self, kernel: Any, args: Any) -> Any:
        if kernel.name != "canary":
            self.begun.set()
            assert self.let_go.wait(60)
        return super().compile(kernel, args)


async def ended_while_compiling(device: SlowCompiler, nursery: trio.Nursery) -> Runtime:
    """Return a runtime whose drain had to cancel a launch that compiles, and that is about to stop."""
    started: trio.Event = trio.Event()
    runtimes: list[Runtime] = []

    async def run() -> None:
        async with running(device, shutdown_timeout=1.0) as runtime:
            runtimes.append(runtime)
            kernel = await runtime.spawn(scale)

            async def launch() -> None:
                with pytest.raises(MessageCancelled):
                    await kernel.launch(np.ones(4, np.float32), 2.0, over=4)

            nursery.start_soon(launch)
            await trio.testing.wait_all_tasks_blocked()
            started.set()

    nursery.start_soon(run)
    await started.wait()
    await trio.to_thread.run_sync(device.begun.wait)
    return runtimes[0]


async def test_stopped_waits_for_what_compiles(mock_clock: trio.testing.MockClock) -> None:
    device = SlowCompiler()
    async with trio.open_nursery() as nursery:
        runtime = await ended_while_compiling(device, nursery)
        mock_clock.jump(1.0)  # the drain's deadline: the launch is cancelled, its compilation cannot be
        await trio.testing.wait_all_tasks_blocked()
        assert runtime.state is State.DRAINING
        assert not device.closed
        device.let_go.set()
        await runtime.wait_for(State.STOPPED)
    assert device.closed
    assert runtime.report is not None
    assert (runtime.report.cancelled, runtime.report.compiling) == (1, ())


async def test_what_compiles_longer_than_the_clean_up_is_named(mock_clock: trio.testing.MockClock) -> None:
    device = SlowCompiler()
    async with trio.open_nursery() as nursery:
        runtime = await ended_while_compiling(device, nursery)
        mock_clock.jump(1.0)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(2.0)  # cleanup_timeout
        await runtime.wait_for(State.STOPPED)
    assert device.closed
    assert runtime.report is not None
    assert runtime.report.compiling == ("scale",)
    assert not runtime.report.clean
    assert "scale still compiles" in str(runtime.report)
    device.let_go.set()


async def test_a_start_that_is_cancelled_while_the_canary_compiles_ends(mock_clock: trio.testing.MockClock) -> None:
    class SlowCanary(SlowCompiler):
        def is_compiled(self, kernel: Any, args: Any) -> bool:
            return False

        def compile(self, kernel: Any, args: Any) -> Any:
            self.begun.set()
            assert self.let_go.wait(60)
            return FakeDevice.compile(self, kernel, args)

    device = SlowCanary()

    async def run() -> None:
        async with running(device):
            raise AssertionError("never reached")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        await trio.to_thread.run_sync(device.begun.wait)
        nursery.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await trio.testing.wait_all_tasks_blocked()
            assert not device.closed
            device.let_go.set()
    assert device.closed
    assert device.launches == []
    assert device.memory.live_bytes == 0
