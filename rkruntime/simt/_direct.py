"""Giving a stub its meaning as LLVM instructions: one function less for numba to compile than by `overload`.

Numba takes 10 to 20 ms for the smallest function, and a kernel calls a dozen of ours.
"""

# mypy: disable-error-code="no-untyped-call,untyped-decorator"

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from numba.extending import lower_builtin, type_callable

from rkruntime.simt._numba import types

__all__ = ("emits",)

Emit = Callable[[Any, Any, Any], Any]


def emits(stub: Any, returns: Any, *wanted: Any) -> Callable[[Emit], Emit]:
    """Have calls of a stub emit what a function `emit(builder, types, values)` does with the arguments.

    Args:
        stub: What kernels call.
        returns: Numba's type of the result.
        wanted: For each argument, numba's type that it must have, or a class of such types.
    """

    def typing(_context: Any) -> Any:
        def typer(*args: Any) -> Any:
            pairs = zip(args, wanted, strict=True)
            fits = all(one == it if isinstance(it, types.Type) else isinstance(one, it) for one, it in pairs)
            return returns if fits else None

        typer.pysig = inspect.signature(stub)  # type: ignore[attr-defined]  # where numba looks for it
        return typer

    def define(emit: Emit) -> Emit:
        def lower(_context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return emit(builder, signature.args, args)

        type_callable(stub)(typing)
        lower_builtin(stub, *wanted)(lower)
        return emit

    return define
