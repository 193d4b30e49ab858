"""Hold a launch to the types that its kernel was compiled for, where a script declared them.

Arrays are passed as they are, so they must have the declared elements, dimensions and layout: numba-cuda would have the
kernel read their memory as something else. Where that is harmless, it is done here too: whole numbers with a sign are
read as such without, and the other way round. Numbers are converted, as ctypes does it for numba-cuda.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rkruntime.dropin._numba import NumbaErrors, as_dtype, types

__all__ = ("fits", "may_be_written", "read_as", "told")


def read_as(kind: Any, value: Any) -> Any:
    """Return an argument as the declared type reads it: an array of whole numbers with or without their sign.

    Args:
        kind: Numba's type.
        value: What a converter made of the argument.
    """
    if not (isinstance(kind, types.Array) and isinstance(kind.dtype, types.Integer) and isinstance(value, np.ndarray)):
        return value
    declared = as_dtype(kind.dtype)
    same = value.dtype.kind in "iu" and value.dtype.isnative and value.dtype.itemsize == declared.itemsize
    return value.view(declared) if same else value


def fits(kind: Any, value: Any) -> bool:
    """Whether compiled code for a type takes an argument, once it was converted.

    Args:
        kind: Numba's type.
        value: What a converter made of the argument.
    """
    if isinstance(kind, types.BaseTuple):
        return isinstance(value, tuple) and len(value) == len(kind.types) and all(map(fits, kind.types, value))
    if not isinstance(kind, types.Array):
        return not isinstance(value, np.ndarray)
    if not isinstance(value, np.ndarray) or value.ndim != kind.ndim:
        return False
    flags = value.flags
    if (kind.layout == "C" and not flags.c_contiguous) or (kind.layout == "F" and not flags.f_contiguous):
        return False
    try:
        return bool(value.dtype == as_dtype(kind.dtype))
    except (NotImplementedError, *NumbaErrors):
        return True  # NumPy has no such elements to compare with


def may_be_written(kind: Any, value: Any) -> bool:
    """Whether an array is not read-only where its type says that it is not."""
    return not isinstance(value, np.ndarray) or value.flags.writeable or not kind.mutable


def told(value: Any) -> str:
    """Say what an argument is, in the words of numba's signatures."""
    if not isinstance(value, np.ndarray):
        return type(value).__name__
    axes = [":"] * value.ndim
    if axes and value.flags.c_contiguous:
        axes[-1] = "::1"
    elif axes and value.flags.f_contiguous:
        axes[0] = "::1"
    return f"{'' if value.flags.writeable else 'read-only '}{value.dtype}[{','.join(axes)}]"
