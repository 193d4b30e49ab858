"""Functions of `math` that numba-cuda has and numba's CPU target lacks."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from numba.core.errors import TypingError

from rkruntime.simt._context import INLINE
from rkruntime.simt._libm import c_function, llvm_function
from rkruntime.simt._numba import overload, types

__all__ = ("FUNCTIONS",)

SINGLE, DOUBLE = types.float32, types.float64


def fmod(x, y): ...
def remainder(x, y): ...
def modf(x): ...


def real_of(*given: Any) -> Any:
    """Return the type that numba-cuda computes in: float32 where all are, else float64."""
    given = tuple(map(types.unliteral, given))
    if not all(isinstance(one, types.Integer | types.Float | types.Boolean) for one in given):
        raise TypingError(f"this function of math takes real numbers, not {', '.join(map(str, given))}")
    return SINGLE if all(one == SINGLE for one in given) else DOUBLE


def _define_binary(stub: Any, name: str) -> None:
    @overload(stub, jit_options=INLINE)
    def define(x, y):
        real = real_of(x, y)
        function = c_function(name + "f" * (real is SINGLE), real, real, real)
        return lambda x, y: function(x, y)


_define_binary(fmod, "fmod")
_define_binary(remainder, "remainder")


@overload(modf, jit_options=INLINE)
def _modf(x):
    real = real_of(x)
    whole_of = llvm_function("llvm.trunc", real, real)
    signed = llvm_function("llvm.copysign", real, real, real)

    def parts(x):
        whole = whole_of(x)
        rest = real(0) if math.isinf(x) else real(x) - whole
        return signed(rest, x), whole

    return parts


# What stands in for what.
FUNCTIONS: Mapping[Any, Any] = {math.fmod: fmod, math.remainder: remainder, math.modf: modf}
