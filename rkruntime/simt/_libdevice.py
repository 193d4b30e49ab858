"""`numba.cuda.libdevice` on the CPU: the C library's functions of the same names, and the few that it lacks.

Arguments and results have the types that numba-cuda gives them (`libdevicefuncs`). The `fast_` functions are as exact
as the others. Functions with a rounding mode round as they say (`_rounding`).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from numba.cuda import libdevicefuncs

from rkruntime.simt import _libdevice_bits, _libdevice_special, _rounding
from rkruntime.simt._libm import c_function, compiled_as
from rkruntime.simt._numba import types

__all__ = ("stand_in",)

create_signature: Any = libdevicefuncs.create_signature  # which numba-cuda does not type

EXP10 = "__exp10" if sys.platform == "darwin" else "exp10"
# Functions of the C library under the same name, for float64, and with an f after it for float32.
_SAME = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "copysign",
    "cos",
    "cosh",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "fdim",
    "floor",
    "fma",
    "fmax",
    "fmin",
    "fmod",
    "hypot",
    "ilogb",
    "j0",
    "j1",
    "jn",
    "ldexp",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "logb",
    "nearbyint",
    "nextafter",
    "pow",
    "remainder",
    "rint",
    "round",
    "scalbn",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "tgamma",
    "trunc",
    "y0",
    "y1",
    "yn",
]
_C_NAMES = {
    **{name: name for name in _SAME},
    **{name + "f": name + "f" for name in _SAME},
    "exp10": EXP10,
    "exp10f": EXP10 + "f",
    **{f"fast_{name}": name for name in ("cosf", "expf", "log10f", "log2f", "logf", "powf", "sinf", "tanf")},
    "fast_exp10f": EXP10 + "f",
}


def signature_of(name: str) -> Any:
    """Return the numba signature of a function of libdevice; results through pointers are part of the result."""
    returned, parameters = libdevicefuncs.functions["__nv_" + name]
    return create_signature(returned, parameters)


@functools.cache
def stand_in(name: str) -> Any:
    """Return what a kernel calls in place of a function of libdevice, or None where there is no such function."""
    if "__nv_" + name not in libdevicefuncs.functions:
        return None
    signature = signature_of(name)
    if name in _C_NAMES:
        return c_function(_C_NAMES[name], signature.return_type, *signature.args)
    return compiled_as(_python_of(name, signature), signature.return_type, *signature.args)


def _python_of(name: str, signature: Any) -> Callable[..., Any]:
    """Return a function that numba compiles."""
    for table in (_libdevice_bits.FUNCTIONS, _libdevice_special.FUNCTIONS):
        if name in table:
            return table[name]
    real = signature.args[0] if signature.args else types.float64
    if name.endswith("f") and name[:-1] in _libdevice_special.FUNCTIONS:
        return _libdevice_special.FUNCTIONS[name[:-1]]
    return _rounding.rounded(name, real, signature.return_type)
