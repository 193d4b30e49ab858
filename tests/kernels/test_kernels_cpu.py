"""Launching real kernels on the CPU device: what is copied, refused and reported there."""

import math
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from numba import cuda

from rkruntime.config import MemoryConfig
from rkruntime.device._cpu import CpuDevice
from rkruntime.errors import ArgumentMismatch, KernelCompileError, KernelFault
from rkruntime.kernels import In, Launcher, Out, as_spec, find, kernel
from rkruntime.memory import KernelMemoryManager


@cuda.jit
def affine(a, x, out):
    i = cuda.grid(1)
    if i < out.size:
        out[i] = a * x[i] + 1


@kernel(block=(8, 4))
def place(out):
    i, j = cuda.grid(2)
    if i < out.shape[0] and j < out.shape[1]:
        out[i, j] = 100 * i + j


@kernel
def increase(x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] += 1


@kernel
def divide(a, x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] = 10 // (a - i)


@kernel
def untyped(x):
    x[0] = x.nosuch


@kernel
def forever(x):
    i = cuda.grid(1)
    while x[0] < 1:
        i += 1
        if i == -5:
            x[0] = 1
    x[0] = i


@kernel
def counted(x):
    total = 0.0
    for i in range(np.int64(x[0])):
        total = total * 0.5 + i
    x[0] = total


@kernel
def nothing():
    pass


class Cpu:
    def __init__(self, **options: Any) -> None:
        self.device = CpuDevice(2, **options)
        self.manager = KernelMemoryManager(MemoryConfig(max_gpu_memory=2**24), self.device)
        self.memory = self.manager.owner("test")
        self.launcher = Launcher(self.device, self.memory, self.device.stream())
        self.launch = self.launcher.launch


@pytest.fixture
async def cpu() -> AsyncIterator[Cpu]:
    made = Cpu()
    with trio.fail_after(120):
        yield made
    assert made.memory.allocated_bytes == 0
    made.manager.close()
    made.device.close()


async def test_result_in_the_callers_own_array(cpu: Cpu) -> None:
    x, out = np.arange(1000, dtype=np.float32), np.zeros(1000, np.float32)
    for a in (2.0, 3.0):
        record = await cpu.launch(as_spec(affine), np.float32(a), x, Out(out), over=1000)
        np.testing.assert_array_equal(out, a * x + 1)
    assert (record.lowering, record.grid, record.block) == ("loop", (4, 1, 1), (256, 1, 1))
    assert record.compile_s == 0
    assert cpu.manager.stats().peak_bytes == 0


async def test_first_length_of_over_runs_along_x(cpu: Cpu) -> None:
    out = np.zeros((20, 30), np.int64)
    record = await cpu.launch(place, out, over=out.shape)
    np.testing.assert_array_equal(out, 100 * np.arange(20)[:, None] + np.arange(30))
    assert (record.grid, record.block) == ((3, 8, 1), (8, 4, 1))


async def test_each_type_of_argument_is_compiled_for(cpu: Cpu) -> None:
    for dtype in (np.float32, np.float64, np.int32):
        x, out = np.arange(10, dtype=dtype), np.zeros(10, dtype)
        for a in (2, 2.0, np.float32(2)):
            await cpu.launch(as_spec(affine), a, x, out, over=10)
            np.testing.assert_array_equal(out, 2 * x + 1)


async def test_strided_and_fortran_arrays_are_worked_on_in_place(cpu: Cpu) -> None:
    whole = np.zeros((20, 60), np.int64)
    for part in (np.zeros((20, 30), np.int64, order="F"), whole[:, ::2], np.zeros((20, 30), np.int64)):
        await cpu.launch(place, part, over=part.shape)
        np.testing.assert_array_equal(part, 100 * np.arange(20)[:, None] + np.arange(30))
    assert not whole[:, 1::2].any()


async def test_layouts_in_turn_never_share_what_was_compiled_for_another(cpu: Cpu) -> None:
    whole, raw = np.zeros((20, 60), np.int64), np.zeros(20 * 30 * 8 + 1, np.uint8)
    unaligned = raw[1:].view(np.int64).reshape(20, 30)
    assert not unaligned.flags.aligned
    parts = (np.zeros((20, 30), np.int64), np.zeros((20, 30), np.int64, order="F"), whole[:, ::2], unaligned)
    for part in (*parts, *reversed(parts), *parts):
        part[:] = 0
        await cpu.launch(place, part, over=part.shape)
        np.testing.assert_array_equal(part, 100 * np.arange(20)[:, None] + np.arange(30))
    assert not whole[:, 1::2].any()


async def test_read_only_arrays_are_read_and_never_written(cpu: Cpu) -> None:
    x, out = np.arange(10.0), np.zeros(10)
    x.flags.writeable = False
    await cpu.launch(as_spec(affine), 2.0, x, out, over=10)
    np.testing.assert_array_equal(out, 2 * x + 1)
    with pytest.raises(ArgumentMismatch, match="argument x: got a read-only"):
        await cpu.launch(increase, x, over=10)
    await cpu.launch(increase, In(x), over=10)
    np.testing.assert_array_equal(x, np.arange(10.0))


async def test_in_array_keeps_its_values(cpu: Cpu) -> None:
    x = np.arange(10.0)
    await cpu.launch(increase, In(x), over=10)
    np.testing.assert_array_equal(x, np.arange(10.0))
    await cpu.launch(increase, x, over=10)
    np.testing.assert_array_equal(x, np.arange(1.0, 11.0))
    await cpu.launch(increase, In(x), over=10)
    np.testing.assert_array_equal(x, np.arange(1.0, 11.0))


async def test_state_stays_on_the_device(cpu: Cpu) -> None:
    array = await cpu.memory.zeros(10, np.float64)
    for _ in range(50):
        await cpu.launch(increase, array, over=10)
    np.testing.assert_array_equal(await array.copy_to_host(), np.full(10, 50.0))
    array.free()


async def test_device_serves_after_each_failure(cpu: Cpu) -> None:
    x = np.zeros(10, np.int64)
    for _ in range(2):
        with pytest.raises(KernelFault, match="thread \\(3, 0, 0\\)"):
            await cpu.launch(divide, 3, x, over=10)
        with pytest.raises(KernelCompileError, match="nosuch"):
            await cpu.launch(untyped, x, over=10)
        await cpu.launch(divide, 100, x, over=10)


async def test_fault_in_place_is_raised_too(cpu: Cpu) -> None:
    x = np.zeros(10, np.int64)
    for _ in range(50):  # measured small by now, so that it runs in place
        await cpu.launch(divide, 100, x, over=10)
    with pytest.raises(KernelFault):
        await cpu.launch(divide, 3, x, over=10)


async def test_endless_kernel_on_a_worker_is_cancelled() -> None:
    cpu = Cpu(inline_budget_s=0.0)
    x = np.full(1, 5.0)
    await cpu.launch(forever, x, over=1, block=1)  # compiled from here on
    x[0] = -math.inf
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: cpu.launch(forever, x, over=1, block=1))
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        record = await cpu.launch(nothing, grid=1, block=1)
    assert record.kernel == "nothing"
    cpu.manager.close()
    cpu.device.close()


ENDLESS = """\
import math, sys
import numpy as np
import trio
sys.path.insert(0, {folder!r})
from test_kernels_cpu import Cpu, {kernel}

async def main():
    cpu = Cpu()
    x = np.full(1, 5.0)
    for _ in range(20):  # measured small from here on
        x[0] = 5.0
        await cpu.launch({kernel}, x, over=1, block=1)
    x[0] = {endless}
    with trio.move_on_after(1.0):
        await cpu.launch({kernel}, x, over=1, block=1)
    print("cancelled")
    cpu.manager.close()
    cpu.device.close()

trio.run(main)
"""


@pytest.mark.parametrize(("name", "endless"), [("forever", "-math.inf"), ("counted", "1e15")])
def test_kernel_that_was_small_and_never_ends_is_cancelled(name: str, endless: str) -> None:
    code = ENDLESS.format(folder=str(Path(__file__).parent), kernel=name, endless=endless)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "cancelled\n", done.stderr


SIGNED = """\
import numba
from numba import cuda

@cuda.jit("void(float32, float32[:])")
def stamp(a, x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] = a

@numba.vectorize(["float64(float64, float64)"], target="cuda")
def plus(a, b):
    return a + b
"""


@pytest.mark.skipif(cuda.is_available(), reason="decorators are held back only without a driver")
async def test_kernels_whose_decorators_need_a_driver_run(cpu: Cpu, tmp_path: Path) -> None:
    (tmp_path / "signed.py").write_text(SIGNED)
    x = np.zeros(10, np.float32)
    await cpu.launch(find(f"{tmp_path}/signed.py:stamp"), np.float32(3), x, over=10)
    assert (x == 3).all()
    with pytest.raises(ArgumentMismatch, match=r"ndarray of dtype float64, shape \(10,\).*float32\[:\]"):
        await cpu.launch(find(f"{tmp_path}/signed.py:stamp"), np.float32(3), np.zeros(10), over=10)
    a, b, out = np.arange(10.0), np.ones(10), np.zeros(10)
    await cpu.launch(find(f"{tmp_path}/signed.py:plus"), a, b, out, over=10)
    np.testing.assert_array_equal(out, a + 1)


@pytest.mark.skipif(cuda.is_available(), reason="decorators are held back only without a driver")
async def test_numbers_have_the_declared_type(cpu: Cpu, tmp_path: Path) -> None:
    text = "from numba import cuda\n\n@cuda.jit('void(float32, float64[:])')\ndef put(a, x):\n    x[0] = a * a\n"
    (tmp_path / "put.py").write_text(text)
    x = np.zeros(1)
    for _ in range(2):
        await cpu.launch(find(tmp_path / "put.py"), 0.1, x, over=1, block=1)
        assert x[0] == np.float32(0.1) * np.float32(0.1) != 0.1 * 0.1


async def test_wrong_shape_is_told_by_the_compiler(cpu: Cpu) -> None:
    out: Any = np.zeros(10)
    with pytest.raises(KernelCompileError, match="place"):
        await cpu.launch(place, out, over=(2, 5))
