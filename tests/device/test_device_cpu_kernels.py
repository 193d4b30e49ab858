"""Real kernels on the CPU device: both lowerings, faults that say where, endless kernels, workers after failures."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import trio
from numba import cuda, float32

from rkruntime.device._api import KernelSource
from rkruntime.device._cpu import CpuDevice
from rkruntime.errors import BarrierDivergence, KernelFault, LaunchCancelled

PATIENCE_S = 120.0


@pytest.fixture(scope="module")
def device() -> Iterator[CpuDevice]:
    device = CpuDevice(worker_threads=2)
    yield device
    device.close()


def saxpy(a, x, y, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a * x[i] + y[i]


def block_sums(x, out):
    shared = cuda.shared.array(64, float32)
    thread, i = cuda.threadIdx.x, cuda.grid(1)
    shared[thread] = x[i] if i < x.size else float32(0)
    cuda.syncthreads()
    step = cuda.blockDim.x // 2
    while step > 0:
        if thread < step:
            shared[thread] += shared[thread + step]
        cuda.syncthreads()
        step //= 2
    if thread == 0:
        out[cuda.blockIdx.x] = shared[0]


def divides(x, at):
    i = cuda.grid(1)
    cuda.syncthreads()
    if i < x.size:
        x[i] = 10 // (i - at)


def diverges(x):
    if cuda.threadIdx.x % 2:
        cuda.syncwarp()
    else:
        cuda.syncthreads()
    x[0] = 1


def never_ends(x):
    while x[0] >= 0:
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            x[0] += 1


class Launching:
    """Compiles and launches functions on one device."""

    def __init__(self, device: CpuDevice) -> None:
        self.device = device
        self.sources: dict[Any, KernelSource] = {}

    def start(self, function: Callable[..., Any], grid: int, block: int, *args: Any) -> Any:
        source = self.sources.setdefault(function, KernelSource(function, function.__name__))
        compiled = self.device.compile(source, args)
        return self.device.launch(compiled, (grid, 1, 1), (block, 1, 1), args, self.device.stream())

    async def run(self, function: Callable[..., Any], grid: int, block: int, *args: Any) -> None:
        with trio.fail_after(PATIENCE_S):
            await self.device.wait(self.start(function, grid, block, *args))


async def test_both_lowerings_many_times_leave_nothing_behind(device: CpuDevice) -> None:
    launching = Launching(device)
    x = np.random.default_rng(0).random(1000, np.float32)
    sums, out = np.zeros(16, np.float32), np.zeros(1000, np.float32)
    for _ in range(3):
        await launching.run(block_sums, 16, 64, x, sums)
    before = device.arenas
    for _ in range(100):
        sums[:] = 0
        await launching.run(saxpy, 4, 256, np.float32(2), x, x, out)
        await launching.run(block_sums, 16, 64, x, sums)
    np.testing.assert_array_equal(out, np.float32(2) * x + x)
    np.testing.assert_allclose(sums.sum(), x.sum(), rtol=1e-5)
    assert {stats.threads for stats in device.arenas} <= {0, 64}
    assert sum(stats.growths for stats in device.arenas) <= sum(stats.growths for stats in before) + 2


async def test_compiling_is_cached_by_source_and_types(device: CpuDevice) -> None:
    source = KernelSource(saxpy, "saxpy")
    x = np.zeros(3, np.float32)
    args = (np.float32(1), x, x, x)
    assert not device.is_compiled(source, args)
    first = device.compile(source, args)
    assert device.is_compiled(source, args)
    assert device.compile(source, args) is first
    assert (first.lowering, first.written) == ("loop", {3})


async def test_a_fault_on_fibers_says_kernel_block_and_thread_and_workers_go_on(device: CpuDevice) -> None:
    launching = Launching(device)
    for _ in range(3):
        with pytest.raises(KernelFault) as caught:
            await launching.run(divides, 4, 32, np.zeros(128, np.int64), 70)
        fault = caught.value
        assert (fault.kernel, fault.block, fault.thread) == ("divides", (2, 0, 0), (6, 0, 0))
        assert fault.line == divides.__code__.co_firstlineno + 4
        out = np.zeros(128, np.int64)
        await launching.run(divides, 4, 32, out, 128)
        np.testing.assert_array_equal(out, 10 // (np.arange(128) - 128))


async def test_barriers_that_no_one_can_leave(device: CpuDevice) -> None:
    x = np.zeros(1)
    with pytest.raises(BarrierDivergence) as caught:
        await Launching(device).run(diverges, 1, 64, x)
    assert caught.value.block == (0, 0, 0)
    assert x[0] == 0


async def test_an_endless_kernel_with_barriers_is_cancelled(device: CpuDevice) -> None:
    launching = Launching(device)
    x = np.zeros(1, np.int64)
    event = launching.start(never_ends, 1, 64, x)
    with trio.fail_after(PATIENCE_S):
        assert device.cancel(event)
        with pytest.raises(LaunchCancelled):
            await device.wait(event)
    await launching.run(saxpy, 1, 1, np.float32(1), *np.zeros((3, 1), np.float32))


SIMULATED = """
import sys
import numpy as np
from numba import cuda, float32
{source}
x = np.load(sys.argv[1])
out = np.zeros(4, np.float32)
cuda.jit(block_sums)[4, 64](x, out)
np.save(sys.argv[2], out)
"""


async def test_agrees_with_numba_cudas_simulator(device: CpuDevice, tmp_path: Any) -> None:
    x = np.random.default_rng(1).random(250, np.float32)
    np.save(tmp_path / "x.npy", x)
    program = tmp_path / "simulated.py"
    program.write_text(SIMULATED.format(source=inspect.getsource(block_sums)))
    await trio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, program, tmp_path / "x.npy", tmp_path / "out.npy"],
            check=True,
            env={**os.environ, "NUMBA_ENABLE_CUDASIM": "1"},
        )
    )
    out = np.zeros(4, np.float32)
    await Launching(device).run(block_sums, 4, 64, x, out)
    np.testing.assert_array_equal(out, np.load(tmp_path / "out.npy"))
