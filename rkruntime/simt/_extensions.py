"""Functions that users have given to the cuda target by numba's extension API: overloads and intrinsics.

What an overload returns for the types at hand may use features of numba.cuda itself. So it is read and rewritten as
device functions are, once the types are known. An intrinsic is given to numba's CPU target as it stands: it makes LLVM
code, and what is not for GPUs alone means the same on a CPU.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

import attrs

from rkruntime.simt._stand_ins import StandIn

__all__ = ("Extension", "carry_attributes", "extension_of", "intrinsic_of")


@attrs.frozen(eq=False)
class Extension:
    """A function with overloads for the cuda target.

    Args:
        parameters: Names of its parameters.
        stand_in: What kernels call in its place, with the context first.
    """

    parameters: tuple[str, ...]
    stand_in: StandIn


def extension_of(found: object) -> Extension | None:
    """Return the overloads of a function for the cuda target, or None where it has none."""
    if not isinstance(found, FunctionType):
        return None
    overloads = tuple(_overloads_of(found))
    return _extension(found, overloads) if overloads else None


def intrinsic_of(found: object) -> StandIn | None:
    """Return an intrinsic of numba-cuda's extension API for the CPU target, or None where that is none."""
    if type(found).__module__ != "numba.cuda.extending" or not hasattr(found, "_defn"):
        return None
    return _intrinsic(found)


@attrs.frozen
class _Overload:
    """One overload, and whether it wants to see the values of literals."""

    define: Callable[..., Any]
    prefers_literals: bool


def _overloads_of(function: FunctionType) -> list[_Overload]:
    """Return what was registered with either package for the cuda target, the last first."""
    import numba.core.typing.templates
    import numba.cuda.typing.templates

    ours: Any = numba.core.typing.templates
    theirs: Any = numba.cuda.typing.templates
    found = [one for one in ours.builtin_registry.functions if getattr(one, "metadata", {}).get("target") == "cuda"]
    found += theirs.builtin_registry.functions
    of_function = [one for one in found if getattr(one, "key", None) is function and hasattr(one, "_overload_func")]
    return [_Overload(inspect.unwrap(one._overload_func), one.prefer_literal) for one in reversed(of_function)]


_carried: set[Any] = set()


def carry_attributes() -> bool:
    """Give attributes and methods that users have registered for the cuda target to numba's CPU target too.

    Returns:
        Whether there are any: machine code then depends on what no digest tells.
    """
    import numba.cuda.typing.templates
    import numba.extending

    theirs: Any = numba.cuda.typing.templates
    for template in theirs.builtin_registry.attributes:
        function, attribute = getattr(template, "_overload_func", None), getattr(template, "_attr", None)
        if function is None or attribute is None or template in _carried or function.__module__.startswith("numba."):
            continue
        is_method = any("Method" in one.__name__ for one in template.__mro__)
        register = numba.extending.overload_method if is_method else numba.extending.overload_attribute
        register(template.key, attribute)(function)
        _carried.add(template)
    return bool(_carried)


@functools.cache
def _extension(function: FunctionType, overloads: tuple[_Overload, ...]) -> Extension:
    from numba import types

    from rkruntime.simt._context import INLINE
    from rkruntime.simt._numba import overload

    name = function.__name__

    def call(ctx, *args): ...

    prefers_literals = any(one.prefers_literals for one in overloads)

    @overload(call, jit_options=INLINE, strict=False, prefer_literal=prefers_literals)
    def define(ctx, *args):
        for one in overloads:
            implementation = one.define(*(args if one.prefers_literals else map(types.unliteral, args)))
            if implementation is not None:
                body = _compiled(implementation, name)
                return lambda ctx, *args: body(ctx, *args)
        return None

    parameters = tuple(inspect.signature(overloads[0].define).parameters)
    return Extension(parameters, StandIn(f"extended {name}", call, cacheable=False))


def _compiled(implementation: FunctionType, name: str) -> Any:
    """Rewrite what an overload returned, as a device function."""
    from rkruntime.simt._emit import Options, emit
    from rkruntime.simt._rewrite import rewrite

    return emit(rewrite(implementation, name, device=True), Options(), loops=False).body


@functools.cache
def _intrinsic(found: Any) -> StandIn:
    import numba.core.typing

    from rkruntime.simt._numba import intrinsic

    make_signature: Any = getattr(numba.core.typing, "signature")  # noqa: B009 - which numba does not export

    @functools.wraps(found._defn)
    def define(typing_context, *args):
        made = found._defn(typing_context, *args)
        if made is None:
            return None
        signature, codegen = made
        return make_signature(signature.return_type, *signature.args), codegen

    carried = intrinsic(prefer_literal=found._prefer_literal)(define)
    return StandIn(f"intrinsic {found._name}", carried, cacheable=False)
