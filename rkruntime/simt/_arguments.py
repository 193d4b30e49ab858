"""What kind of argument a value is: cheaply, for finding a compiled kernel, and as a numba type, for compiling one."""

from __future__ import annotations

import importlib
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numba.core.errors import NumbaValueError

from rkruntime.errors import ArgumentMismatch
from rkruntime.simt._numba import typeof, types

__all__ = ("check_count", "check_fit", "key_of", "types_of")

# Flags of an array that its numba type depends on: C and Fortran order, alignment, whether it may be written to.
ARRAY_FLAGS = 0x1 | 0x2 | 0x100 | 0x400
_BY_CLASS = frozenset({float, bool, complex, np.bool_, np.float32, np.float64, np.complex64, np.complex128}) | {
    np.dtype(code).type for code in "bBhHiIlLqQ"
}

_RANKS: dict[type, int] = {types.Boolean: 0, types.Integer: 1, types.Float: 2, types.Complex: 3}


def key_of(args: Sequence[Any]) -> tuple[Hashable, ...]:
    """Return a key that two lists of arguments share only if a kernel compiled for one takes the other.

    Costs about 0.2 us an argument; a launch looks its specialisation up by it.
    """
    return tuple([_key(value) for value in args])


def _key(value: Any) -> Any:
    kind = type(value)
    if kind is np.ndarray:
        return value.dtype, value.ndim, value.flags.num & ARRAY_FLAGS
    if kind is int:
        return int if -(1 << 63) <= value < 1 << 63 else "wide"
    if kind in _BY_CLASS:
        return kind
    if kind is tuple:
        return key_of(value)
    return typeof(value)


def check_count(kernel: str, parameters: Sequence[str], args: Sequence[Any]) -> None:
    """Hold the number of a kernel's arguments to that of its parameters.

    Raises:
        ArgumentMismatch: There are too few or too many.
    """
    if len(args) != len(parameters):
        wanted = f"{len(parameters)} arguments: {', '.join(parameters) or 'none'}"
        raise ArgumentMismatch(kernel, "list", f"{len(args)} arguments", wanted, "give one value for each parameter")


def types_of(kernel: str, parameters: Sequence[str], args: Sequence[Any]) -> tuple[Any, ...]:
    """Return the numba types of a kernel's arguments.

    Raises:
        ArgumentMismatch: There are too few or too many, or one is of a kind that kernels cannot take.
    """
    check_count(kernel, parameters, args)
    found = []
    for name, value in zip(parameters, args, strict=True):
        if getattr(getattr(value, "dtype", None), "name", None) == "bfloat16":
            importlib.import_module("rkruntime.simt._bfloat")  # numba lacks the type
        try:
            found.append(typeof(value))
        except (ValueError, NumbaValueError, TypeError) as error:
            raise ArgumentMismatch(
                kernel, name, type(value).__name__, "a NumPy array or a number", "turn it into one of these"
            ) from error
        if isinstance(found[-1], types.Dispatcher) and type(found[-1]).__module__.startswith("numba.cuda"):
            mend = "have a function that takes it define the kernel, which then calls it by name"
            raise ArgumentMismatch(kernel, name, "a device function", "a NumPy array or a number", mend)
    return tuple(found)


def check_fit(kernel: str, parameters: Sequence[str], wanted: Sequence[Any], args: Sequence[Any]) -> None:
    """Hold arguments to the types that a kernel was compiled for: its machine code looks at none.

    Raises:
        ArgumentMismatch: There are too few or too many, or one that does not fit.
    """
    for name, type_, got in zip(parameters, wanted, types_of(kernel, parameters, args), strict=True):
        if not _fits(type_, got):
            mend = "give what the kernel was specialised for, or specialise it for these arguments"
            raise ArgumentMismatch(kernel, name, str(got), str(type_), mend)


def _fits(wanted: Any, got: Any) -> bool:
    """Whether code for a type takes a value of another: numbers are converted, but no real one to a whole one."""
    if isinstance(wanted, types.Array) and isinstance(got, types.Array):
        same = (wanted.dtype, wanted.ndim) == (got.dtype, got.ndim) and wanted.layout in ("A", got.layout)
        return same and (got.mutable or not wanted.mutable) and (got.aligned or not wanted.aligned)
    return bool(got == wanted) or _RANKS.get(type(got), 9) <= _RANKS.get(type(wanted), -1)
