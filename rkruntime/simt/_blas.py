"""Importing numba's functions of arrays without scipy.linalg, which numba imports to see whether there is a BLAS.

That takes a third of the time of a process's first launch, and few kernels use linear algebra; those that do still have
numba look.
"""

from __future__ import annotations

import functools
import importlib
import sys
from importlib.util import find_spec
from typing import Any

__all__ = ("import_array_functions",)

MODULE = "numba.np.arraymath"


@functools.cache
def import_array_functions() -> None:
    """Import them, if nobody has; whether scipy is installed tells whether there is a BLAS."""
    if MODULE in sys.modules:
        return
    linalg: Any = importlib.import_module("numba.np.linalg")
    looks = linalg.ensure_blas
    linalg.ensure_blas = _expect_scipy
    try:
        importlib.import_module(MODULE)
    finally:
        linalg.ensure_blas = looks
    sys.modules[MODULE].ensure_blas = looks  # type: ignore[attr-defined]


def _expect_scipy() -> None:
    if find_spec("scipy") is None:
        raise ImportError("scipy is required for linear algebra")
