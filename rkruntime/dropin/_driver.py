"""A CUDA driver in Python whose device memory is host memory, for numba-cuda's own host API.

numba-cuda reaches the driver through one object with some 50 functions (CUDA Driver API, NVIDIA) and through one class
for devices. These are ours; what is above them, arrays, streams, events, contexts and memory managers, is numba-cuda's.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from cuda.bindings import driver as binding

from rkruntime.dropin._device import (
    ATTRIBUTES,
    COMPUTE_CAPABILITY,
    device_name,
    device_uuid,
)
from rkruntime.dropin._memory import HostMemory
from rkruntime.dropin._numba import config, drv
from rkruntime.dropin._streams import Callbacks, Events, Handles
from rkruntime.machine import usable_memory_bytes

__all__ = ("HostDevice", "HostDriver", "HostStream", "install_driver")

CUDA_VERSION = 13000
CONTEXT = 0x1000
DEFAULT_STREAMS = frozenset({0, int(binding.CU_STREAM_LEGACY), int(binding.CU_STREAM_PER_THREAD)})


def failure(function: str, code: str) -> BaseException:
    """Return the error that numba-cuda raises where a driver function fails."""
    result = getattr(binding.CUresult, f"CUDA_ERROR_{code}")
    error: BaseException = drv.CudaAPIError(result, f"Call to {function} results in {result.name}")
    return error


class HostContext:
    """The one context of the one device."""

    handle = _handle = binding.CUcontext(CONTEXT)


class HostStream:
    """A stream where numba-cuda hands one to cuda.core: no more than its handle."""

    def __init__(self, handle: int) -> None:
        self.handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        """Return version and handle, by cuda.core's stream protocol."""
        return 0, self.handle

    def __int__(self) -> int:
        return self.handle


class HostDevice:
    """The processor, where numba-cuda asks for cuda.core's Device.

    Args:
        number: The device's number; there is only 0.
    """

    compute_capability = COMPUTE_CAPABILITY
    context = HostContext()

    def __init__(self, number: int) -> None:
        if number != 0:
            raise failure("cuDeviceGet", "INVALID_DEVICE")
        self.device_id = number
        self.name = device_name()
        self.uuid = device_uuid()

    def set_current(self) -> None:
        """Make the context the thread's current one."""
        if not int(drv.driver.cuCtxGetCurrent()):
            drv.driver.cuCtxPushCurrent(HostContext.handle)


class HostDriver:
    """The driver's state, and its functions by their names."""

    def __init__(self) -> None:
        self.memory = HostMemory(usable_memory_bytes())
        self.streams = Handles(0x10000)
        self.events = Events()
        self.callbacks = Callbacks()
        self._local = threading.local()

    def functions(self) -> Mapping[str, Callable[..., Any]]:
        """Return the driver functions that numba-cuda calls."""
        return {
            **self._device_functions(),
            **self._memory_functions(),
            **self._stream_functions(),
        }

    def add_callback(self) -> Callable[..., None]:
        """Return the method of streams that has the host call a function, on a thread that is not the caller's."""

        def add_callback(stream: Any, callback: Callable[[Any, int, Any], object], arg: Any = None) -> None:
            """Call `callback(stream, status, arg)` once what is on the stream is done."""

            def call() -> None:
                try:
                    callback(stream, 0, arg)
                except Exception as error:
                    warnings.warn(f"Exception in stream callback: {error}", stacklevel=2)

            self.callbacks.add(call)

        return add_callback

    def _device_functions(self) -> dict[str, Callable[..., Any]]:
        contexts = self._contexts
        nothing = _nothing
        return {
            "cuInit": nothing,
            "cuDeviceGetCount": lambda: 1,
            "cuDeviceGet": lambda number: binding.CUdevice(number),
            "cuDriverGetVersion": lambda: CUDA_VERSION,
            "cuDeviceGetAttribute": _attribute,
            "cuDeviceCanAccessPeer": lambda device, peer: int(device) != int(peer),
            "cuDevicePrimaryCtxRelease": nothing,
            "cuDevicePrimaryCtxReset": nothing,
            "cuDevicePrimaryCtxRetain": lambda _device: HostContext.handle,
            "cuCtxGetCurrent": lambda: contexts()[-1] if contexts() else binding.CUcontext(0),
            "cuCtxPushCurrent": lambda handle: contexts().append(binding.CUcontext(int(handle))),
            "cuCtxPopCurrent": self._pop_context,
            "cuCtxGetDevice": lambda: 0,
            "cuCtxSynchronize": self.callbacks.wait,
            "cuCtxEnablePeerAccess": nothing,
            "cuProfilerStart": nothing,
            "cuProfilerStop": nothing,
        }

    def _memory_functions(self) -> dict[str, Callable[..., Any]]:
        memory = self.memory

        def copy(target: Any, source: Any, size: int, _stream: Any = 0) -> None:
            memory.copy(int(target), int(source), size)

        def fill(target: Any, byte: int, size: int, _stream: Any = 0) -> None:
            memory.fill(int(target), byte, size)

        return {
            "cuMemGetInfo": lambda: (memory.total_bytes - memory.used_bytes, memory.total_bytes),
            "cuMemAlloc": lambda size: binding.CUdeviceptr(self._allocate("cuMemAlloc", size)),
            "cuMemFree": lambda pointer: self._free("cuMemFree", pointer),
            "cuMemAllocManaged": lambda size, _flags: binding.CUdeviceptr(self._allocate("cuMemAllocManaged", size)),
            "cuMemHostAlloc": lambda size, _flags: self._allocate("cuMemHostAlloc", size),
            "cuMemFreeHost": lambda pointer: self._free("cuMemFreeHost", pointer),
            "cuMemHostGetDevicePointer": lambda pointer, _flags: binding.CUdeviceptr(int(pointer)),
            "cuMemHostRegister": _nothing,
            "cuMemHostUnregister": _nothing,
            "cuMemGetAddressRange": self._address_range,
            "cuPointerGetAttribute": lambda _attribute, pointer: pointer,
            **dict.fromkeys(("cuMemcpyHtoD", "cuMemcpyDtoH", "cuMemcpyDtoD"), copy),
            **dict.fromkeys(("cuMemcpyHtoDAsync", "cuMemcpyDtoHAsync", "cuMemcpyDtoDAsync"), copy),
            **dict.fromkeys(("cuMemsetD8", "cuMemsetD8Async"), fill),
        }

    def _stream_functions(self) -> dict[str, Callable[..., Any]]:
        events = self.events
        return {
            "cuStreamCreate": lambda _flags: binding.CUstream(self.streams.open()),
            "cuStreamDestroy": lambda handle: _known("cuStreamDestroy", self.streams.close, int(handle)),
            "cuStreamSynchronize": lambda _handle: self.callbacks.wait(),
            "cuStreamWaitEvent": _nothing,
            "cuEventCreate": lambda flags: binding.CUevent(
                events.open(not flags & int(binding.CUevent_flags.CU_EVENT_DISABLE_TIMING))
            ),
            "cuEventDestroy": lambda handle: _known("cuEventDestroy", events.close, int(handle)),
            "cuEventRecord": lambda handle, _stream: _known("cuEventRecord", events.record, int(handle)),
            "cuEventQuery": _nothing,
            "cuEventSynchronize": _nothing,
            "cuEventElapsedTime": lambda begin, end: _known(
                "cuEventElapsedTime", events.elapsed_ms, int(begin), int(end)
            ),
        }

    def _contexts(self) -> list[Any]:
        """Return the calling thread's stack of contexts."""
        stack: list[Any] | None = getattr(self._local, "contexts", None)
        if stack is None:
            stack = self._local.contexts = []
        return stack

    def _pop_context(self) -> Any:
        contexts = self._contexts()
        if not contexts:
            raise failure("cuCtxPopCurrent", "INVALID_CONTEXT")
        return contexts.pop()

    def _allocate(self, function: str, size: int) -> int:
        if size <= 0:
            raise failure(function, "INVALID_VALUE")
        try:
            return self.memory.allocate(int(size))
        except MemoryError:
            raise failure(function, "OUT_OF_MEMORY") from None

    def _free(self, function: str, pointer: Any) -> None:
        try:
            self.memory.free(int(pointer))
        except KeyError:
            raise failure(function, "INVALID_VALUE") from None

    def _address_range(self, pointer: Any) -> tuple[Any, int]:
        try:
            base, size = self.memory.block_of(int(pointer))
        except KeyError:
            raise failure("cuMemGetAddressRange", "NOT_FOUND") from None
        return binding.CUdeviceptr(base), size


def _nothing(*args: Any) -> None:
    """Do what has no meaning here, or is done already."""


def _missing(name: str) -> Callable[..., NoReturn]:
    """Return what stands for a function of the driver that is not here.

    Raises:
        AttributeError: No driver has such a function.
    """
    getattr(binding, name)

    def refuse(*_args: Any) -> NoReturn:
        raise failure(name, "NOT_SUPPORTED")

    return refuse


def _refuse_module(*_args: Any) -> NoReturn:
    """Refuse PTX and machine code of a GPU, which scripts may load by themselves."""
    raise failure("cuLibraryLoadData", "NOT_SUPPORTED")


def _attribute(code: Any, _device: Any) -> int:
    return ATTRIBUTES.get(code.name.removeprefix("CU_DEVICE_ATTRIBUTE_"), 0)


def _known(function: str, call: Callable[..., Any], *handles: int) -> Any:
    """Call with handles; one that is not known is a driver's error."""
    try:
        return call(*handles)
    except KeyError:
        raise failure(function, "INVALID_HANDLE") from None


def core_stream(stream: Any) -> Any:
    """Turn a launch's stream into one that has a handle.

    Raises:
        TypeError: It is no stream.
    """
    if not stream:
        return HostStream(0)
    if isinstance(stream, HostStream):
        return stream
    if isinstance(stream, drv.Stream):
        return HostStream(int(stream.handle or 0))
    if isinstance(stream, int):
        return HostStream(stream)
    if hasattr(stream, "__cuda_stream__"):
        return HostStream(int(stream.__cuda_stream__()[1]))
    raise TypeError(f"Expected a Stream object, ExperimentalStream, GraphBuilder, or 0, got {type(stream).__name__}")


def install_driver() -> HostDriver:
    """Put the driver in the place of NVIDIA's, for the life of the process.

    Raises:
        RuntimeError: numba-cuda has opened a GPU, and the program may hold arrays there.
    """
    driver = drv.driver
    if driver.devices:
        raise RuntimeError("numba-cuda has opened a GPU in this process; call rkruntime.dropin.install() before that")
    host = HostDriver()
    functions = host.functions()

    def bind(name: str) -> Callable[..., Any]:
        function = functions.get(name) or _missing(name)
        setattr(driver, name, function)
        return function

    driver.lib, driver._cuda_python_wrap_fn = host, bind
    if not config.DISABLE_CUDA:
        driver.is_initialized, driver.initialization_error = False, None
    drv.ExperimentalDevice = HostDevice
    drv._to_core_stream = core_stream
    drv.Stream.add_callback = host.add_callback()
    drv.load_module_image = _refuse_module
    return host
