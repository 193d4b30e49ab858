"""What every device that runs a kernel's threads promises about them."""

from __future__ import annotations

import numpy as np
import trio
from numba import cuda

from rkruntime.device import KernelSource

SUBJECTS = ("cpu", "cuda")


def number(out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        out[y, x] = 1000 * y + x


def reverse_blocks(values):
    tile = cuda.shared.array(32, np.float64)
    lane = cuda.threadIdx.x
    start = cuda.blockIdx.x * cuda.blockDim.x
    tile[lane] = values[start + lane]
    cuda.syncthreads()
    values[start + lane] = tile[cuda.blockDim.x - 1 - lane]


async def run(device, function, host, grid, block):
    stream = device.stream()
    address = device.allocate(host.nbytes)
    there = device.array(address, host.shape, host.dtype)
    device.copy_in(there, host, stream)
    compiled = device.compile(KernelSource(function, function.__name__), (there,))
    device.launch(compiled, grid, block, (there,), stream)
    out = np.empty_like(host)
    with trio.fail_after(60):
        await device.wait(device.copy_out(out, there, stream))
    stream.close()
    device.free(address, host.nbytes)
    return out


async def test_every_thread_knows_its_place(subject) -> None:
    out = await run(subject.device, number, np.zeros((5, 7)), (2, 3, 1), (4, 2, 1))
    np.testing.assert_array_equal(out, 1000 * np.arange(5.0)[:, None] + np.arange(7.0))


async def test_barriers_and_shared_memory(subject) -> None:
    out = await run(subject.device, reverse_blocks, np.arange(96.0), (3, 1, 1), (32, 1, 1))
    np.testing.assert_array_equal(out, np.arange(96.0).reshape(3, 32)[:, ::-1].ravel())
