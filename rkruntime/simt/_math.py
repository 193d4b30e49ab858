"""Functions of `math` that numba-cuda has and numba's CPU target lacks."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba.core.errors import TypingError

from rkruntime.simt._libm import c_function, llvm_function
from rkruntime.simt._numba import overload, types
from rkruntime.simt._parts import INLINE

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


def rounded(x, ndigits=None): ...


@overload(rounded, jit_options=INLINE)
def _rounded(x, ndigits=None):
    """Round half to even: to an int64, or to decimal digits, as numba-cuda does it in float64."""
    real = real_of(x)
    if ndigits is None or isinstance(ndigits, types.Omitted | types.NoneType):
        return lambda x, ndigits=None: np.int64(np.rint(np.float64(x)))

    def to_digits(x, ndigits=None):
        value = np.float64(x)
        if math.isinf(value) or math.isnan(value):
            return real(x)
        first, second = 10.0 ** min(abs(ndigits), 22), 10.0 ** max(abs(ndigits) - 22, 0)
        moved = value * first * second if ndigits >= 0 else value / (first * second)
        if math.isinf(moved):
            return real(x)
        whole = np.rint(moved)
        return real(whole / second / first if ndigits >= 0 else whole * (first * second))

    return to_digits


# What stands in for what.
FUNCTIONS: Mapping[Any, Any] = {
    math.fmod: fmod,
    math.remainder: remainder,
    math.modf: modf,
    math.floor: np.floor,
    math.ceil: np.ceil,
    math.trunc: np.trunc,
    round: rounded,
}
