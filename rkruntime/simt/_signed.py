"""Device functions with declared signatures: arguments and result are converted as the declaration says."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from typing import Any

import numba.core.typing
from numba.core.errors import TypingError
from numba.core.imputils import impl_ret_borrowed
from numba.core.registry import cpu_target

from rkruntime.simt._numba import intrinsic, overload, types
from rkruntime.simt._parts import INLINE

__all__ = ("signed",)

make_signature: Any = getattr(numba.core.typing, "signature")  # noqa: B009 - which numba does not export


def signed(function: Any, name: str, signatures: tuple[Any, ...]) -> Any:
    """Make a device function that takes what its signatures declare, the best of them for the arguments given.

    Args:
        function: The dispatcher, whose first parameter is the context.
        name: What its author calls it.
        signatures: As numba-cuda compiled them.
    """
    declared = [make_signature(one.return_type, *one.args) for one in signatures]

    def call(ctx, *args): ...

    @overload(call, jit_options=INLINE)
    def define(ctx, *args):
        given = tuple(map(types.unliteral, args))
        best = cpu_target.typing_context.resolve_overload(call, declared, given, {})
        if best is None:
            takes = " or ".join(f"({', '.join(map(str, one.args))})" for one in declared)
            raise TypingError(
                f"Invalid use of type {name} with parameters ({', '.join(map(str, given))}): it takes {takes}"
            )
        convert, finish = _converter(types.Tuple(best.args)), _converter(best.return_type)
        return lambda ctx, *args: finish(function(ctx, *convert(args)))

    return call


def _converter(wanted: Any) -> Any:
    """Make the function that converts a value to a type."""

    @intrinsic
    def convert(typing_context, value):
        def codegen(context, builder, signature, args):
            found = context.cast(builder, args[0], value, wanted)
            return impl_ret_borrowed(context, builder, wanted, found)

        return wanted(value), codegen

    return convert
