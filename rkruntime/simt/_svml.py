"""Intel's vector math library (SVML), where it is installed: finding it, loading it, and what it has.

The package is `intel-cmplr-lib-rt`. `NUMBA_DISABLE_INTEL_SVML=1` leaves it alone, as it does numba's own use of it.
"""

from __future__ import annotations

import ctypes
import logging
import math
import platform
import site
import sys
import sysconfig
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba.core import config

__all__ = ("CALLED", "FUNCTIONS", "is_loaded", "library", "version")

PACKAGE = "intel-cmplr-lib-rt"
CALLED = "__svml_"  # what the names of its functions begin with
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


def library() -> Path | None:
    """Return where the library is; None where it is not to be used."""
    return None if getattr(config, "DISABLE_INTEL_SVML", False) else _found()


@cache
def _found() -> Path | None:
    """Look where pip puts it: importing the packages' metadata takes as long as loading a kernel."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    for base in (sysconfig.get_path("data"), site.getuserbase()):
        folder = Path(base) / "lib"
        if all((folder / name).exists() for name in FILES):
            return folder / FILES[-1]
    return None


def version() -> str | None:
    """Return the library's version; None where it is not to be used."""
    return None if library() is None else metadata.version(PACKAGE)


@cache
def is_loaded() -> bool:
    """Load the library for machine code that calls it, which takes some milliseconds; false if that fails."""
    path = _found()
    if path is None:
        return False
    try:
        for name in FILES:
            ctypes.CDLL(str(path.with_name(name)), mode=ctypes.RTLD_GLOBAL)
        llvm.load_library_permanently(str(path))
    except (OSError, RuntimeError) as error:
        log.warning("%s does not load, and functions go lane by lane: %s", path, error)
        return False
    return True
