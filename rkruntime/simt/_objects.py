"""What can be told of an object that a kernel names: where it comes from, and how large its elements are."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

__all__ = ("is_plain", "item_bytes", "of_numba_cuda")


def item_bytes(dtype: Any) -> int:
    """Return the size of an array's element; the largest number's where it is not known."""
    from numba.core import types
    from numba.np import numpy_support

    try:
        return np.dtype(numpy_support.as_dtype(dtype) if isinstance(dtype, types.Type) else dtype).itemsize
    except (TypeError, NotImplementedError):
        return 16


def of_numba_cuda(owner: ModuleType | type) -> bool:
    name = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    return name == "numba.cuda" or name.startswith("numba.cuda.")


def is_plain(value: Any) -> bool:
    """Whether a value of numba-cuda's namespace means the same on the CPU: numbers, types and modules."""
    from numba.core import types

    return isinstance(value, int | float | types.Type | np.generic | np.dtype | ModuleType)
