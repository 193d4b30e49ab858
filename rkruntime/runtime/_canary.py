"""One kernel launched before Running: the device compiles, copies, and computes right, or nothing starts."""

from __future__ import annotations

import contextlib

import numpy as np
import trio

from rkruntime.device import Device, HostArray, KernelSource
from rkruntime.errors import CanaryFailed, RkError
from rkruntime.kernels import Compilations

__all__ = ("sing",)

LENGTH = 64


def canary(values: HostArray, total: HostArray) -> None:
    """Add up `values`, float32 of shape (n,), into `total`, float32 of shape (1,); one thread."""
    partial = values[0] * np.float32(0)
    for k in range(values.shape[0]):
        partial += values[k]
    total[0] = partial


async def sing(device: Device, compilations: Compilations, cleanup_s: float) -> None:
    """Launch the canary on `device` and check its result.

    Raises:
        CanaryFailed: The result is wrong.
    """
    values = np.arange(LENGTH, dtype=np.float32)
    total = np.zeros(1, np.float32)
    source = KernelSource(canary, "canary")  # type: ignore[arg-type]
    addresses = [device.allocate(values.nbytes), device.allocate(total.nbytes)]
    stream = device.stream()
    try:
        there = [device.array(a, h.shape, h.dtype) for a, h in zip(addresses, (values, total), strict=True)]
        compiled = await compilations.compile(device, source, there)
        device.copy_in(there[0], values, stream)
        device.launch(compiled, (1, 1, 1), (1, 1, 1), there, stream)
        await device.wait(device.copy_out(total, there[1], stream))
    finally:
        with trio.move_on_after(cleanup_s, shield=True), contextlib.suppress(RkError):
            await device.wait(stream.record())
        stream.close()
        device.free(addresses[0], values.nbytes)
        device.free(addresses[1], total.nbytes)
    expected = float(values.sum())
    if float(total[0]) != expected:
        raise CanaryFailed(device.properties.name, str(expected), str(float(total[0])))
