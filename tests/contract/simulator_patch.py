"""What numba-cuda's simulator lacks of the host API that the CUDA device uses; for a process of its own."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from cuda import pathfinder
from numba import cuda
from numba.cuda.simulator import api
from numba.cuda.simulator.cudadrv import devicearray, devices
from numba.cuda.simulator.kernel import FakeCUDAKernel

LIMITS = {
    "name": "simulator",
    "MULTIPROCESSOR_COUNT": 1,
    "MAX_THREADS_PER_BLOCK": 1024,
    "MAX_BLOCK_DIM_X": 1024,
    "MAX_BLOCK_DIM_Y": 1024,
    "MAX_BLOCK_DIM_Z": 64,
    "MAX_GRID_DIM_X": 2**31 - 1,
    "MAX_GRID_DIM_Y": 65535,
    "MAX_GRID_DIM_Z": 65535,
    "MAX_SHARED_MEMORY_PER_BLOCK": 49152,
    "WARP_SIZE": 32,
}


def aligned_array(size: int, dtype: object) -> devicearray.FakeCUDAArray:
    """Give an array of bytes at a multiple of 256, as a driver does."""
    raw = np.empty(size + 256, np.uint8)
    start = -raw.ctypes.data % 256
    return devicearray.FakeCUDAArray(raw[start : start + size].view(dtype))


def install() -> None:
    """Add events that answer, device limits, addresses, and the dispatcher's names for configuring a launch."""
    api.Event.query = lambda self: True
    api.Event.__init__ = lambda self, timing=True: None
    cuda.event_elapsed_time = lambda begin, end: 0.0
    for name, value in LIMITS.items():
        setattr(devices.FakeCUDADevice, name, value)
    devices.FakeCUDAContext.get_memory_info = lambda self: devices._MemoryInfo(2**30, 2**30)
    devices.FakeCUDAContext.memory_manager = None
    devicearray.FakeCUDAArray.__cuda_array_interface__ = property(
        lambda self: {"data": (self._ary.ctypes.data, False), "shape": self.shape, "typestr": self.dtype.str}
    )
    cuda.device_array = aligned_array
    pathfinder.load_nvidia_dynamic_lib = lambda name: None
    FakeCUDAKernel.specialized = False
    FakeCUDAKernel.specialize = lambda self, *args: self
    FakeCUDAKernel.configure = lambda self, *launch: self[launch]
    FakeCUDAKernel.overloads = {
        (): SimpleNamespace(
            regs_per_thread=0, local_mem_per_thread=0, shared_mem_per_block=0, max_threads_per_block=1024
        )
    }
    FakeCUDAKernel.inspect_asm = lambda self: {(): ".target simulator\n"}
