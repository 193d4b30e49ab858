"""What is exchanged in numba-cuda, all in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rkruntime.dropin._arrays import HostAssignment, transpose
from rkruntime.dropin._driver import HostDriver, install_driver
from rkruntime.dropin._late import compiling_late
from rkruntime.dropin._numba import (
    config,
    cuda,
    device_init,
    devicearray,
    deviceufunc,
    dispatcher,
    drv,
    global_compiler_lock,
    nrt,
    transposing,
)
from rkruntime.dropin._runtime import HostRuntime
from rkruntime.dropin._sources import exec_with_source
from rkruntime.dropin._uncached import caching_if_possible, saving_if_possible

if TYPE_CHECKING:
    from rkruntime.dropin._kernel import HostKernel

__all__ = ("patch",)


def patch() -> HostDriver:
    """Exchange the driver and the kernels."""
    host = install_driver()
    _set(dispatcher, "_Kernel", LateKernel())
    _set(devicearray, "_assign_kernel", HostAssignment)
    _set(transposing, "transpose", transpose)
    _set(dispatcher.CUDADispatcher, "compile", _compile(dispatcher.CUDADispatcher.compile))
    _set(dispatcher.CUDADispatcher, "compile_device", compiling_late(dispatcher.CUDADispatcher.compile_device))
    _set(dispatcher.CUDADispatcher, "enable_caching", caching_if_possible(dispatcher.CUDADispatcher.enable_caching))
    _set(dispatcher.CUDACache, "save_overload", saving_if_possible(dispatcher.CUDACache.save_overload))
    nrt.rtsys.__class__ = HostRuntime
    deviceufunc.exec = exec_with_source
    for module in (cuda, device_init):
        _set(module, "is_available", _is_available)
    config.CUDA_LOW_OCCUPANCY_WARNINGS = 0  # a few blocks are enough for a CPU
    config.CUDA_WARN_ON_IMPLICIT_COPY = 0  # nothing is copied
    return host


class LateKernel:
    """Makes kernels, and imports the compiler with the first one: that takes as long as numba-cuda itself."""

    def __call__(self, *args: Any, **options: Any) -> HostKernel:
        """Make a kernel, as the class does."""
        from rkruntime.dropin._kernel import HostKernel

        return HostKernel(*args, **options)

    def _rebuild(self, **state: Any) -> HostKernel:
        from rkruntime.dropin._kernel import HostKernel

        return HostKernel._rebuild(**state)


def _compile(theirs: Callable[[Any, Any], Any]) -> Callable[[Any, Any], HostKernel]:
    """Return numba-cuda's `compile`, which may find a kernel in its cache on disk: there it is without a function."""

    def compile(self: Any, sig: Any) -> HostKernel:  # noqa: A001
        """Compile for a signature, or find what was compiled."""
        with global_compiler_lock:
            kernel: HostKernel = theirs(self, sig)
            kernel.attach(self.py_func)
            return kernel

    return compile


def _is_available() -> bool:
    """Whether kernels run, though on no GPU: NUMBA_DISABLE_CUDA forbids it."""
    try:
        return bool(drv.driver.is_available)
    except drv.CudaSupportError:
        return False


def _set(owner: Any, name: str, value: Any) -> None:
    """Exchange what is there; an attribute that numba-cuda no longer has is an error, not a silent no-op."""
    if not hasattr(owner, name):
        raise RuntimeError(f"numba-cuda has no {owner.__name__}.{name}: this version is not known to rkruntime.dropin")
    setattr(owner, name, value)
