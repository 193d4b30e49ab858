"""Assigning to device arrays and transposing them: numba-cuda has kernels for it, NumPy does it in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rkruntime.dropin._arguments import view_of
from rkruntime.dropin._numba import DeviceNDArray

__all__ = ("HostAssignment", "transpose")


class HostAssignment:
    """Stands for numba-cuda's kernel that assigns one device array to another of the same dimensions.

    Args:
        ndim: The number of dimensions.
    """

    def __init__(self, ndim: int) -> None:
        self.ndim = ndim

    def forall(self, count: int, **_options: Any) -> Callable[[Any, Any], None]:  # noqa: ARG002
        """Return what assigns."""
        return _assign


def transpose(a: Any, b: Any = None) -> Any:
    """Transpose a matrix on the device, as `numba.cuda.kernels.transpose.transpose` does.

    Args:
        a: An array of shape (m, n).
        b: An array of shape (n, m) for the result; by default a new one on the device.
    """
    if b is None:
        rows, columns = a.shape
        size = a.dtype.itemsize
        b = DeviceNDArray((columns, rows), (rows * size, size), dtype=a.dtype, stream=getattr(a, "stream", 0))
    np.copyto(_host(b), _host(a).T)
    return b


def _host(array: Any) -> Any:
    return array if isinstance(array, np.ndarray) else view_of(array)


def _assign(target: Any, source: Any) -> None:
    np.copyto(view_of(target), view_of(source), casting="unsafe")
