"""The parts of numba-cuda that the drop-in works with or exchanges, untyped: numba-cuda declares no types."""

from __future__ import annotations

from typing import Any

import numba
import numba.core.errors
import numba.cuda
import numba.cuda.args
import numba.cuda.compiler
import numba.cuda.core.compiler_lock
import numba.cuda.core.errors
import numba.cuda.core.typeinfer
import numba.cuda.cudadrv.devicearray
import numba.cuda.cudadrv.driver
import numba.cuda.device_init
import numba.cuda.deviceufunc
import numba.cuda.dispatcher
import numba.cuda.kernels.transpose
import numba.cuda.launchconfig
import numba.cuda.memory_management.nrt
import numba.cuda.serialize
import numba.cuda.types
import numba.cuda.typing
import numba.np.numpy_support

__all__ = (
    "ArgHint",
    "DeviceNDArray",
    "GpuKernel",
    "In",
    "NumbaErrors",
    "ReduceMixin",
    "as_dtype",
    "compile_cuda",
    "config",
    "cuda",
    "current_launch_config",
    "device_init",
    "devicearray",
    "deviceufunc",
    "dispatcher",
    "drv",
    "global_compiler_lock",
    "nrt",
    "signature",
    "transposing",
    "typeinfer",
    "types",
)

cuda: Any = numba.cuda
config: Any = numba.config
types: Any = numba.cuda.types
typeinfer: Any = numba.cuda.core.typeinfer
drv: Any = numba.cuda.cudadrv.driver
dispatcher: Any = numba.cuda.dispatcher
device_init: Any = numba.cuda.device_init
deviceufunc: Any = numba.cuda.deviceufunc
signature: Any = getattr(numba.cuda.typing, "signature")  # noqa: B009
as_dtype: Any = numba.np.numpy_support.as_dtype
ArgHint: Any = numba.cuda.args.ArgHint
In: Any = numba.cuda.args.In
ReduceMixin: Any = numba.cuda.serialize.ReduceMixin
compile_cuda: Any = numba.cuda.compiler.compile_cuda
NumbaErrors: Any = (numba.core.errors.NumbaError, numba.cuda.core.errors.NumbaError)
devicearray: Any = numba.cuda.cudadrv.devicearray
DeviceNDArray: Any = numba.cuda.cudadrv.devicearray.DeviceNDArray
nrt: Any = numba.cuda.memory_management.nrt
transposing: Any = numba.cuda.kernels.transpose
GpuKernel: Any = numba.cuda.dispatcher._Kernel
current_launch_config: Any = getattr(numba.cuda.launchconfig, "current_launch_config")  # noqa: B009
global_compiler_lock: Any = numba.cuda.core.compiler_lock.global_compiler_lock
