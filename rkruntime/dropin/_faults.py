"""From a fault of a kernel's thread to what numba-cuda raises for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import attrs
from cuda.core._utils import cuda_utils

from rkruntime.errors import BarrierDivergence, InvalidLaunch, KernelFault
from rkruntime.simt._raised import OutOfBounds

__all__ = ("LaunchRefused", "as_cuda_raises", "refused_launch")

_CudaError: Any = cuda_utils.CUDAError


@attrs.define(eq=False)
class LaunchRefused(InvalidLaunch, _CudaError):  # type: ignore[misc]
    """Grid, block or shared memory that no CUDA device takes, or a grid that is too large to wait for itself.

    A `CUDAError` too, since that is what scripts expect.
    """

    code: str = "CUDA_ERROR_INVALID_VALUE"

    def __str__(self) -> str:
        return f"{self.code}: {InvalidLaunch.__str__(self)}"


def refused_launch(error: InvalidLaunch, code: str = "CUDA_ERROR_INVALID_VALUE") -> LaunchRefused:
    """Return the error that a script expects, with the driver's name for it."""
    return LaunchRefused(error.kernel, error.what, error.value, error.allowed, error.mend, code)


def as_cuda_raises(fault: KernelFault, debug: bool, scope: Mapping[str, Any]) -> BaseException:
    """Return the error that a script expects.

    Under `debug=True` numba-cuda raises the class that the kernel raised, and its message says where: function, file,
    line, thread and block. Without it a GPU goes on as if nothing had happened; here the fault is raised.

    Args:
        fault: What a thread of the kernel did.
        debug: Whether the kernel was compiled with `debug=True`.
        scope: The kernel's globals.
    """
    cause = fault.__cause__
    if not debug or cause is None or isinstance(fault, BarrierDivergence) or fault.thread is None:
        return fault
    thread, block = list(reversed(fault.thread)), list(reversed(fault.block or ()))
    place = f"In function {fault.kernel!r}, file {os.path.abspath(fault.file)}, line {fault.line}, "
    prefix = f"{place}tid={thread} ctaid={block}"
    if isinstance(cause, OutOfBounds):
        return IndexError(f"{prefix}: {fault.what}")
    kind = _class_in(scope, type(cause))
    try:
        return kind(f"{prefix}: {cause}" if str(cause) else prefix)
    except TypeError:  # the kernel's own class wants other arguments
        return fault


def _class_in(scope: Mapping[str, Any], kind: type[BaseException]) -> type[BaseException]:
    """Return the program's own class: machine code from the cache on disk brings a copy of classes in `__main__`."""
    known = scope.get(kind.__name__)
    if not isinstance(known, type) or not issubclass(known, BaseException):
        return kind
    return known if (known.__module__, known.__qualname__) == (kind.__module__, kind.__qualname__) else kind
