"""Functions that kernels pass around: a device function gets the hidden context where it is called, others do not."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from rkruntime.simt import _stubs
from rkruntime.simt._context import INLINE
from rkruntime.simt._numba import overload, types
from rkruntime.simt._rewrite import CONTEXT


@overload(_stubs.call_passed, jit_options=INLINE)
def _call_passed(ctx, function, *args):
    if isinstance(function, types.Dispatcher):
        parameters = function.dispatcher.py_func.__code__.co_varnames
        if parameters[:1] == (CONTEXT,):
            return lambda ctx, function, *args: function(ctx, *args)
    return lambda ctx, function, *args: function(*args)
