"""A CUDA driver in Python whose device memory is host memory, for numba-cuda's real host code.

Installed for a whole process. numba-cuda reaches the driver through one object with some 50 functions: these are ours.
Kernels are not compiled: a launch calls the kernel's Python function once. Streams can be held, so that work stays
pending, and any driver function can be told to fail.
"""

from __future__ import annotations

import ctypes
import itertools
import os
from collections import Counter, defaultdict, deque
from types import SimpleNamespace

import numpy as np
from cuda import pathfinder
from cuda.bindings import driver as binding
from numba.cuda.cudadrv import driver as drv
from numba.cuda.dispatcher import CUDADispatcher

TOTAL_BYTES = 1 << 30
ATTRIBUTES = {
    "MAX_THREADS_PER_BLOCK": 1024,
    "MULTIPROCESSOR_COUNT": 108,
    "WARP_SIZE": 32,
    "MAX_SHARED_MEMORY_PER_BLOCK": 49152,
    "UNIFIED_ADDRESSING": 1,
    "MAX_GRID_DIM_X": 2**31 - 1,
    "MAX_GRID_DIM_Y": 65535,
    "MAX_GRID_DIM_Z": 65535,
    "MAX_BLOCK_DIM_X": 1024,
    "MAX_BLOCK_DIM_Y": 1024,
    "MAX_BLOCK_DIM_Z": 64,
}


class DriverDouble:
    """The driver's state: memory, streams of pending work, events with their times, scripted failures."""

    def __init__(self) -> None:
        self.live = {}
        self.live_bytes = 0
        self._contexts = []
        self._handles = itertools.count(0x2000)
        self._pending = defaultdict(deque)
        self._events = {}
        self.reset()

    def reset(self) -> None:
        """Forget scripts and counts; memory, streams and events stay."""
        self.calls = Counter()
        self.fails = {}
        self.libraries_missing = set()
        self.held = False
        self.now_ms = 0.0
        self.kernel_ms = 2.0
        self.launches = []
        self.launch_error = None

    # scripts

    def hold(self) -> None:
        """Keep work pending from now on."""
        self.held = True

    def release(self) -> None:
        """Run what is pending, and everything after it at once."""
        self.held = False
        for work in self._pending.values():
            while work:
                work.popleft()()

    def fail(self, function: str, code: str, times: int = 1) -> None:
        """Make a driver function fail with a code."""
        self.fails[function] = [getattr(binding.CUresult, code)] * times

    def submit(self, stream: int, work) -> None:
        self._pending[int(stream)].append(work)
        if not self.held:
            self.release()

    # memory

    def allocate(self, size: int) -> int:
        if self.live_bytes + size > TOTAL_BYTES:
            code = binding.CUresult.CUDA_ERROR_OUT_OF_MEMORY
            raise drv.CudaAPIError(code, f"Call to cuMemAlloc results in {code.name}")
        raw = np.full(size + 256, 0xCD, np.uint8)
        address = -(-raw.ctypes.data // 256) * 256
        self.live[address] = (raw, size)
        self.live_bytes += size
        return address

    def free(self, pointer) -> None:
        _, size = self.live.pop(int(pointer))
        self.live_bytes -= size

    # events

    def record(self, event: int, stream: int) -> None:
        self._events[int(event)] = None

        def happen() -> None:
            self._events[int(event)] = self.now_ms

        self.submit(stream, happen)

    def query(self, event) -> None:
        if self._events[int(event)] is None:
            code = binding.CUresult.CUDA_ERROR_NOT_READY
            raise drv.CudaAPIError(code, code.name)

    # kernels

    def launch(self, function, grid, block, stream, shared, args) -> None:
        self.check("launch")
        if self.launch_error is not None:
            raise self.launch_error
        self.launches.append((function.__name__, grid, block, shared))

        def run() -> None:
            self.now_ms += self.kernel_ms
            function(*(self.host_view(arg) for arg in args))

        self.submit(int(stream.handle), run)

    def host_view(self, arg):
        if not hasattr(arg, "__cuda_array_interface__"):
            return arg
        address = arg.__cuda_array_interface__["data"][0]
        raw = (ctypes.c_ubyte * (arg.size * arg.dtype.itemsize)).from_address(address)
        return np.frombuffer(raw, arg.dtype).reshape(arg.shape)

    def check(self, name: str) -> None:
        self.calls[name] += 1
        if self.fails.get(name):
            code = self.fails[name].pop(0)
            raise drv.CudaAPIError(code, f"Call to {name} results in {code.name}")

    def load_library(self, name: str) -> None:
        if name in self.libraries_missing:
            raise pathfinder.DynamicLibNotFoundError(name)

    def functions(self):
        move = self._move
        return {
            "cuDeviceGetCount": lambda: 1,
            "cuDriverGetVersion": lambda: 13000,
            "cuDeviceGetAttribute": lambda code, dev: ATTRIBUTES.get(code.name.replace("CU_DEVICE_ATTRIBUTE_", ""), 0),
            "cuCtxGetCurrent": lambda: self._contexts[-1] if self._contexts else binding.CUcontext(0),
            "cuCtxPushCurrent": self._contexts.append,
            "cuCtxPopCurrent": self._contexts.pop,
            "cuCtxGetDevice": lambda: 0,
            "cuCtxSynchronize": self.release,
            "cuMemGetInfo": lambda: (TOTAL_BYTES - self.live_bytes, TOTAL_BYTES),
            "cuMemAlloc": lambda size: binding.CUdeviceptr(self.allocate(size)),
            "cuMemFree": self.free,
            "cuMemHostAlloc": lambda size, flags: self.allocate(size),
            "cuMemFreeHost": self.free,
            "cuMemcpyHtoDAsync": lambda d, s, n, stream: self.submit(stream, lambda: move(d, s, n)),
            "cuMemcpyDtoHAsync": lambda d, s, n, stream: self.submit(stream, lambda: move(d, s, n)),
            "cuMemsetD8Async": lambda p, v, n, stream: self.submit(stream, lambda: ctypes.memset(int(p), v, n)),
            "cuStreamCreate": lambda flags: binding.CUstream(next(self._handles)),
            "cuStreamDestroy": lambda handle: None,
            "cuEventCreate": lambda flags: binding.CUevent(next(self._handles)),
            "cuEventDestroy": lambda handle: None,
            "cuEventRecord": self.record,
            "cuEventQuery": self.query,
            "cuEventElapsedTime": lambda a, b: self._events[int(b)] - self._events[int(a)],
        }

    @staticmethod
    def _move(target, source, size) -> None:
        ctypes.memmove(int(target), int(source), size)


class Context:
    handle = _handle = binding.CUcontext(0x1000)


class DeviceDouble:
    compute_capability = (8, 0)
    name = "driver double"
    uuid = "00000000-0000-0000-0000-000000000000"
    context = Context()

    def __init__(self, number: int) -> None:
        self.device_id = number

    def set_current(self) -> None:
        drv.driver.cuCtxPushCurrent(Context.handle)


class Special:
    """A specialised dispatcher that launches on the double."""

    specialized = True

    def __init__(self, double: DriverDouble, function) -> None:
        self.double = double
        self.function = function
        kernel = SimpleNamespace(
            regs_per_thread=40,
            local_mem_per_thread=0,
            shared_mem_per_block=0,
            max_threads_per_block=1024,
            max_cooperative_grid_blocks=lambda block, shared: 108 * (1536 // block),
        )
        self.overloads = {(): kernel}

    def configure(self, grid, block, stream, shared):
        return lambda *args: self.double.launch(self.function, grid, block, stream, shared, args)

    def inspect_asm(self):
        return {(): ".version 9.0\n.target sm_80\n.address_size 64\n"}


def install() -> DriverDouble:
    """Put the double in the driver's place, for the life of the process."""
    double = DriverDouble()
    drv._logger = drv.make_logger()
    driver = drv.driver
    driver.is_initialized = True
    driver.initialization_error = None
    driver.lib = object()
    driver.pid = os.getpid()

    def checked(name, function):
        def call(*args):
            double.check(name)
            return function(*args)

        return call

    for name, function in double.functions().items():
        setattr(driver, name, checked(name, function))
    drv.ExperimentalDevice = DeviceDouble
    pathfinder.load_nvidia_dynamic_lib = double.load_library
    CUDADispatcher.specialize = lambda self, *args: Special(double, self.py_func)
    return double
