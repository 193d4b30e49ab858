"""From a fault of a kernel's thread to what numba-cuda raises for it."""

from __future__ import annotations

import os

from rkruntime.errors import BarrierDivergence, KernelFault

__all__ = ("as_cuda_raises",)


def as_cuda_raises(fault: KernelFault, debug: bool) -> BaseException:
    """Return the error that a script expects.

    Under `debug=True` numba-cuda raises the class that the kernel raised, and its message says where: function, file,
    line, thread and block. Without it a GPU goes on as if nothing had happened; here the fault is raised.

    Args:
        fault: What a thread of the kernel did.
        debug: Whether the kernel was compiled with `debug=True`.
    """
    cause = fault.__cause__
    if not debug or cause is None or isinstance(fault, BarrierDivergence) or fault.thread is None:
        return fault
    thread, block = list(reversed(fault.thread)), list(reversed(fault.block or ()))
    place = f"In function {fault.kernel!r}, file {os.path.abspath(fault.file)}, line {fault.line}, "
    prefix = f"{place}tid={thread} ctaid={block}"
    kind = type(cause) if type(cause).__module__ == "builtins" else IndexError
    message = str(cause) or (fault.what if kind is IndexError else "")
    try:
        return kind(f"{prefix}: {message}" if message else prefix)
    except TypeError:  # the kernel's own class wants other arguments
        return fault
