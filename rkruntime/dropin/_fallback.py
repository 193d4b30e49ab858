"""What to do about a kernel that the CPU compiler cannot take: whose fault is it, and can the simulator run it?"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any

from rkruntime.dropin._device import COMPUTE_CAPABILITY
from rkruntime.dropin._numba import NumbaErrors, compile_cuda, types
from rkruntime.errors import KernelCompileError, UnsupportedKernel
from rkruntime.simt._linked import Linked

__all__ = ("STRICT", "SimulatedKernel", "fall_back", "numba_cudas_error")

STRICT = "RKRUNTIME_DROPIN_STRICT"


class SimulatedKernel(UserWarning):
    """A kernel runs by numba-cuda's simulator, correctly but some 100,000 times slower than compiled."""


def fall_back(error: UnsupportedKernel | KernelCompileError) -> None:
    """Warn that a kernel will be simulated; once a kernel, since it is asked once.

    Args:
        error: Why it cannot be compiled.

    Raises:
        UnsupportedKernel: `RKRUNTIME_DROPIN_STRICT` is set, to anything but 0: what was given.
        KernelCompileError: The same.
    """
    if os.environ.get(STRICT, "0") not in ("", "0"):
        raise error
    if isinstance(error, Linked):
        return  # nor can the simulator run it: whoever launches the kernel is told
    what = error.construct if isinstance(error, UnsupportedKernel) else error.detail.partition("\n")[0]
    text = (
        f"kernel {error.kernel} runs by numba-cuda's simulator, very slowly: {what}; "
        f"set {STRICT}=1 to have this as an error"
    )
    warnings.warn_explicit(text, SimulatedKernel, error.file, error.line, registry={})


def numba_cudas_error(function: Any, argument_types: Sequence[Any], debug: bool) -> BaseException | None:
    """Return what numba-cuda itself says against a kernel that did not compile for the CPU; None if it says nothing.

    Scripts know numba-cuda's errors, and where it finds fault the kernel would not run on a GPU either.
    """
    try:
        compile_cuda(
            function,
            types.void,
            tuple(argument_types),
            debug=debug,
            nvvm_options={"fastmath": False, "opt": 3},
            cc=COMPUTE_CAPABILITY,
        )
    except NumbaErrors as error:
        found: BaseException = error
        return found
    except Exception:  # its insides need what a machine without CUDA may lack; that says nothing about the kernel
        return None
    return None
