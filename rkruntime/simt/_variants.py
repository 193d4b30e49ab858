"""Variants of device functions: with parameters that stand for functions or types, or with declared signatures.

Arguments that are functions, features of numba.cuda or types are known when the kernel is read, and no values of
compiled code. So the device function is read anew with the parameter standing for the argument, as a global name would.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType
from typing import Any

import numpy as np

from rkruntime.simt._features import feature_of
from rkruntime.simt._names import UNKNOWN
from rkruntime.simt._read import plain_function

__all__ = ("bound_to", "converts_inline", "declared_for", "is_bindable", "signatures_of", "variant_of")

_BOUND = "__rk_bound__"
_SIGNATURES = "__rk_signatures__"
_variants: dict[tuple[Any, ...], FunctionType] = {}


def is_bindable(value: Any) -> bool:
    """Whether an argument is a function, a feature or a type, and so known for good."""
    if value is UNKNOWN or isinstance(value, int | float | str | tuple):
        return False
    if isinstance(value, type):
        return issubclass(value, np.generic | int | float | complex) or feature_of(value) is not None
    from numba.core import types

    is_function = isinstance(value, FunctionType | BuiltinFunctionType) or plain_function(value) is not None
    return is_function or isinstance(value, types.Type | np.dtype) or feature_of(value) is not None


def signatures_of(dispatcher: Any) -> tuple[Any, ...]:
    """Return the signatures that a device function was declared with, each of which numba-cuda compiled at once."""
    if getattr(dispatcher, "_can_compile", True):
        return ()
    return tuple(compiled.signature for compiled in dispatcher.overloads.values())


def variant_of(
    function: FunctionType, bound: Mapping[str, Any], signatures: tuple[Any, ...] | None = None
) -> FunctionType:
    """Return the function with parameters bound or signatures declared; the same one for the same objects."""
    signatures = declared_for(function) if signatures is None else signatures
    if not bound and signatures == declared_for(function):
        return function
    objects = {**bound_to(function), **bound}
    cells = tuple(map(id, function.__closure__ or ()))
    key = (function.__code__, cells, tuple(map(str, signatures)), *_identities(objects))
    if key not in _variants:
        made = FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
        )
        made.__kwdefaults__ = function.__kwdefaults__
        made.__qualname__, made.__module__ = function.__qualname__, function.__module__
        setattr(made, _BOUND, objects)
        setattr(made, _SIGNATURES, signatures)
        _variants[key] = made  # which holds what is bound, so that no other object gets its id
    return _variants[key]


def bound_to(function: FunctionType) -> Mapping[str, Any]:
    """Return what a function's parameters are bound to."""
    bound: Mapping[str, Any] = getattr(function, _BOUND, {})
    return bound


def declared_for(function: FunctionType) -> tuple[Any, ...]:
    """Return the signatures that a device function was declared with; none where it takes what it is given."""
    signatures: tuple[Any, ...] = getattr(function, _SIGNATURES, ())
    return signatures


def converts_inline(signatures: tuple[Any, ...]) -> bool:
    """Whether conversions to what is declared can become part of the kernel: one signature, of numbers and arrays."""
    from numba.core import types

    plain = (types.Number, types.Boolean, types.Array, types.NoneType)
    return len(signatures) == 1 and all(
        isinstance(one, plain) for one in (*signatures[0].args, signatures[0].return_type)
    )


def _identities(objects: Mapping[str, Any]) -> list[Any]:
    """Return names with what tells objects apart: constants by type and value, others by identity."""
    plain = (int, float, str, tuple)
    return [
        (name, type(value), repr(value)) if isinstance(value, plain) else (name, id(value))
        for name, value in sorted(objects.items())
    ]
