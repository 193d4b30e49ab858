"""The one place through which the CUDA device reaches numba-cuda: imported on use, and untyped as it is."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ("cuda_pathfinder", "numba_cuda", "numba_driver", "numba_error", "numba_typeof")


def numba_cuda() -> Any:
    """Return `numba.cuda`."""
    return importlib.import_module("numba.cuda")


def cuda_pathfinder() -> Any:
    """Return `cuda.pathfinder`, which finds the CUDA toolkit's libraries."""
    return importlib.import_module("cuda.pathfinder")


def numba_driver() -> Any:
    """Return `numba.cuda.cudadrv.driver`."""
    return importlib.import_module("numba.cuda.cudadrv.driver")


def numba_error() -> type[Exception]:
    """Return the base of the compiler's errors."""
    error: type[Exception] = importlib.import_module("numba.cuda.core.errors").NumbaError
    return error


def numba_typeof(value: object) -> Any:
    """Return the numba type of an argument; `ValueError` where it has none."""
    module: Any = importlib.import_module("numba.cuda.typing.typeof")
    return module.typeof(value, module.Purpose.argument)
