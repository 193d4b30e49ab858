"""Every kind of bad input to a real runtime on the CPU: what is raised says what, where and how to mend it.

After it the runtime serves on, and stops with everything released.
"""

import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing
from numba import cuda

import rkruntime as rk
from rkruntime import blocking, errors
from rkruntime.device._cpu import CpuDevice
from rkruntime.runtime import State


@cuda.jit
def double(x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = 2 * x[i]


@cuda.jit
def corner(x):
    x[0, 0] = 1


@cuda.jit
def untyped(x):
    x[0] = x.nosuch


@cuda.jit
def divide(a, x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] = 10 // (a - i)


@cuda.jit
def forever(x):
    while x[0] < 1:
        x[1] += 1


class Sleeper(rk.Actor):
    async def sleep(self) -> None:
        await trio.sleep_forever()


X, OUT = np.arange(4.0), np.zeros(4)


async def launched(runtime: rk.Runtime, kernel: Any, *args: Any, **how: Any) -> None:
    await (await runtime.spawn(kernel)).launch(*args, **(how or {"over": 4}))


async def overflow(runtime: rk.Runtime) -> None:
    sleeper = await runtime.spawn(Sleeper, name="sleeper", mailbox_capacity=1, overflow="refuse")
    for _ in range(3):
        await sleeper.tell(Sleeper.sleep)


async def overflow_seen(runtime: rk.Runtime) -> None:
    """Overflow an actor's mailbox, and see that the actor lives on."""
    try:
        await overflow(runtime)
    except errors.Overloaded:
        sleeper = next(actor for actor in runtime.actors if actor.name == "sleeper")
        assert sleeper.state == "running"
        raise


async def stopped(runtime: rk.Runtime) -> None:
    sleeper = await runtime.spawn(Sleeper, name="sleeper")
    await sleeper.stop()
    await sleeper.ask(Sleeper.sleep)


async def named(name: str) -> None:
    rk.find(name)


async def loaded(text: str, target: str, folder: Path) -> None:
    (folder / "mine.py").write_text(text)
    rk.find(str(folder / target))


Case = Callable[[rk.Runtime, Path], Awaitable[None]]
CASES: dict[str, tuple[Case, type[errors.RkError], tuple[str, ...]]] = {
    "wrong dtype": (
        lambda runtime, _: launched(runtime, double, np.array(["a"] * 4), OUT),
        errors.ArgumentMismatch,
        ("double", "x", "<U1", "(4,)"),
    ),
    "wrong shape": (
        lambda runtime, _: launched(runtime, corner, X),
        errors.KernelCompileError,
        ("corner", "test_runtime_bad_input.py", "array(float64, 1d, C)"),
    ),
    "missing argument": (lambda runtime, _: launched(runtime, double, X), errors.ArgumentMismatch, ("double", "out")),
    "extra argument": (
        lambda runtime, _: launched(runtime, double, X, OUT, 3),
        errors.ArgumentMismatch,
        ("double", "number 3", "leave out"),
    ),
    "unknown kernel": (
        lambda *_: named("saxpi"),
        errors.KernelNotFound,
        ("saxpi", "saxpy"),
    ),
    "unknown kernel in a file": (
        lambda _, folder: loaded("def double(x):\n    x[0] = 2\n", "mine.py:dobule", folder),
        errors.KernelNotFound,
        ("dobule", "mine.py"),
    ),
    "no kernel file": (
        lambda _, folder: loaded("def f(:\n", "mine.py:f", folder),
        errors.NotAKernelFile,
        ("mine.py", "line 1"),
    ),
    "does not compile": (
        lambda runtime, _: launched(runtime, untyped, X),
        errors.KernelCompileError,
        ("untyped", "nosuch", "test_runtime_bad_input.py"),
    ),
    "divides by zero": (
        lambda runtime, _: launched(runtime, divide, 2, np.zeros(4, np.int64)),
        errors.KernelFault,
        ("divide", "block (0, 0, 0)", "thread (2, 0, 0)"),
    ),
    "no launch": (
        lambda runtime, _: launched(runtime, double, X, OUT, over=4, block=4096),
        errors.InvalidLaunch,
        ("double", "4096", "1024"),
    ),
    "memory beyond the limit": (
        lambda runtime, _: runtime.zeros(2**22, np.float64),
        errors.OutOfDeviceMemory,
        ("33,554,432", "16 MiB", "max_gpu_memory"),
    ),
    "mailbox overflows": (lambda runtime, _: overflow_seen(runtime), errors.Overloaded, ("sleeper", "1")),
    "second start": (lambda runtime, _: runtime.run(), errors.AlreadyStarted, ("running",)),
    "actor used after its stop": (lambda runtime, _: stopped(runtime), errors.ActorStopped, ("sleeper",)),
}


@pytest.mark.parametrize("name", CASES)
async def test_after_it_the_runtime_serves_and_stops_clean(name: str, tmp_path: Path) -> None:
    act, kind, said = CASES[name]
    device = CpuDevice(1)
    config = rk.RuntimeConfig(shutdown_timeout=0.05, memory=rk.MemoryConfig(max_gpu_memory=2**24))
    with trio.fail_after(120):
        async with rk.open_runtime(config, device=device) as runtime:
            with pytest.raises(kind) as caught:
                await act(runtime, tmp_path)
            text = str(caught.value)
            assert all(part in text for part in said), text
            assert "\n  mend: " in text
            assert runtime.state is State.RUNNING
            out = np.zeros(4)
            await launched(runtime, double, X, rk.Out(out))
            np.testing.assert_array_equal(out, 2 * X)
    assert_released(runtime, device)


async def test_a_kernel_that_loops_for_ever_is_cancelled_and_the_runtime_serves_on() -> None:
    device = CpuDevice(1)
    with trio.fail_after(120):
        async with rk.open_runtime(device=device) as runtime:
            kernel = await runtime.spawn(forever)
            x = np.array([1.0, 0.0])
            await kernel.launch(x, grid=1, block=1)  # it ends at once, and is compiled
            x[0] = 0
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(lambda: kernel.launch(x, grid=1, block=1))
                    await trio.testing.wait_all_tasks_blocked()
                    assert [actor.in_flight for actor in runtime.actors] == [1]
                    scope.cancel()
            assert scope.cancelled_caught
            assert [actor.state for actor in runtime.actors] == ["running"]
            out = np.zeros(4)
            await launched(runtime, double, X, rk.Out(out))
            np.testing.assert_array_equal(out, 2 * X)
    assert_released(runtime, device)


async def test_use_after_the_stop_says_so() -> None:
    with trio.fail_after(120):
        async with rk.open_runtime(device=CpuDevice(1)) as runtime:
            kernel = await runtime.spawn(double)
        for use in (
            lambda: runtime.spawn(double),
            lambda: runtime.zeros(4, np.float32),
            lambda: runtime.supervisor("late", rk.Restart()),
        ):
            with pytest.raises(errors.NotRunning, match=r"stopped(.|\n)*mend: "):
                await use()
        with pytest.raises(errors.ActorStopped, match=r"double(.|\n)*mend: "):
            await kernel.launch(X, OUT, over=4)
        with pytest.raises(errors.AlreadyStarted):
            await runtime.run()
        assert await runtime.shutdown() is runtime.report  # asking again is no error: it answers with the one report


def assert_released(runtime: rk.Runtime, device: CpuDevice) -> None:
    assert runtime.state is State.STOPPED
    assert runtime.report is not None
    assert (runtime.report.leaked, runtime.report.abandoned, runtime.report.compiling) == ((), 0, ())
    assert device.allocated_bytes == 0
    assert not [thread for thread in threading.enumerate() if thread in device._workers._threads]


async def test_a_device_s_name_in_an_open_device_s_place_is_refused() -> None:
    with pytest.raises(errors.InvalidConfiguration) as caught:
        async with rk.open_runtime(device="cpu"):  # type: ignore[arg-type]
            pass
    assert (caught.value.path, caught.value.value) == ("device", "cpu")
    assert "RuntimeConfig(device=" in str(caught.value)
    with pytest.raises(errors.InvalidConfiguration), blocking.open_runtime(device="cpu"):  # type: ignore[arg-type]
        pass
