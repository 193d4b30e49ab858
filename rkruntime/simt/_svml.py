"""Intel's vector math library (SVML), where it is installed: finding it, loading it, and what it has.

The package is `intel-cmplr-lib-rt`. `NUMBA_DISABLE_INTEL_SVML=1` leaves it alone, as it does numba's own use of it.
"""

from __future__ import annotations

import ctypes
import logging
import math
import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba.core import config

__all__ = ("FUNCTIONS", "library")

PACKAGE = "intel-cmplr-lib-rt"
FILES = ("libintlc.so.5", "libsvml.so")  # the second needs the first, and does not say where that is
_SAME = ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh")
_IN_MATH = (*_SAME, "asin", "acos", "atan", "asinh", "acosh", "atanh", "atan2", "erf", "erfc", "pow")
_IN_NUMPY = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arcsinh": "asinh", "arccosh": "acosh"}
_IN_NUMPY |= {"arctanh": "atanh", "arctan2": "atan2", "power": "pow"}
FUNCTIONS: Mapping[Any, str] = {
    **{getattr(math, name): name for name in _IN_MATH if hasattr(math, name)},
    **{getattr(np, name): name for name in _SAME},
    **{getattr(np, name): theirs for name, theirs in _IN_NUMPY.items()},
}
log = logging.getLogger("rkruntime.simt")


def library() -> str | None:
    """Return the library's version, once it is loaded; None where it is not to be used."""
    return None if getattr(config, "DISABLE_INTEL_SVML", False) else _loaded()


@cache
def _loaded() -> str | None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    try:
        package = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        return None
    places = {path.name: Path(str(path.locate())) for path in package.files or () if path.name in FILES}
    try:
        for name in FILES:
            ctypes.CDLL(str(places[name]), mode=ctypes.RTLD_GLOBAL)
        llvm.load_library_permanently(str(places[FILES[-1]]))
    except (KeyError, OSError, RuntimeError) as error:
        log.warning("%s is installed, and does not load: %s", PACKAGE, error)
        return None
    return package.version
