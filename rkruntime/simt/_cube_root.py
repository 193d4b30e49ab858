"""The cube root, within CUDA's bound of one unit in the last place, which the C library's exceeds."""

# numba types little of what it compiles:
# mypy: disable-error-code="untyped-decorator,no-any-return,unused-ignore"

from __future__ import annotations

from typing import Any

import numpy as np

from rkruntime.simt._libm import c_function, llvm_function
from rkruntime.simt._numba import njit, types

__all__ = ("cube_root",)

DOUBLE = types.float64
_cbrt = c_function("cbrt", DOUBLE, DOUBLE)
_fma = llvm_function("llvm.fma", DOUBLE, DOUBLE, DOUBLE, DOUBLE)


@njit(nogil=True, error_model="numpy", forceinline=True)
def cube_root(x: Any) -> Any:
    """Return the cube root of a float64: the C library's, and one step of Newton's with an exact remainder."""
    value = np.float64(x)
    if value == 0 or not abs(value) < np.inf:
        return value
    scale = 2.0**300 if abs(value) < 1e-200 else 1.0  # what is left over must not be too small for a float64
    value *= scale
    root = _cbrt(value)
    square = root * root
    rest = _fma(square, root, -value) + _fma(root, root, -square) * root
    return (root - rest / (3 * square)) * (1.0 if scale == 1.0 else 2.0**-100)
