"""What can be told of an object that a kernel names: where it comes from, and how large its elements are."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

__all__ = ("is_plain", "is_users", "item_bytes", "of_numba_cuda")


def item_bytes(dtype: Any, otherwise: int = 16) -> int:
    """Return the size of an array's element; `otherwise`, the largest number's, where it is not known."""
    from numba.core import types
    from numba.core.errors import NumbaError
    from numba.np import numpy_support

    try:
        return np.dtype(numpy_support.as_dtype(dtype) if isinstance(dtype, types.Type) else dtype).itemsize
    except (TypeError, NotImplementedError, NumbaError):
        return otherwise


def of_numba_cuda(owner: ModuleType | type) -> bool:
    """Whether a module or class is numba-cuda's; its tests stand for users."""
    name = owner.__name__ if isinstance(owner, ModuleType) else owner.__module__
    return name == "numba.cuda" or (name.startswith("numba.cuda.") and not name.startswith("numba.cuda.tests."))


def is_users(value: Any) -> bool:
    """Whether a function, class or type is a user's, by the module that it is from."""
    if isinstance(value, str | ModuleType | int | tuple):
        return False
    module = getattr(value, "__module__", None)
    if not isinstance(module, str):
        module = type(value).__module__
    root = module.partition(".")[0]
    if root == "numba":
        return module.startswith("numba.cuda.tests.")
    return root not in sys.stdlib_module_names and root not in ("numpy", "llvmlite", "numba_cuda", "rkruntime")


def is_plain(value: Any) -> bool:
    """Whether a value of numba-cuda's namespace means the same on the CPU: numbers, types and modules."""
    from numba.core import types

    return isinstance(value, int | float | types.Type | np.generic | np.dtype | ModuleType)
