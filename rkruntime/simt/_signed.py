"""Device functions with declared signatures: arguments and result are converted as the declaration says.

Numba's compiler sees to that where calls stay calls. Where device functions become part of the kernel, so do the
conversions: each is a call of the type itself, which lanes know as one for vectors.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import ast
import inspect
import weakref
from collections.abc import Mapping
from types import FunctionType
from typing import Any

import numba.core.typing
from numba.core.errors import TypingError
from numba.core.imputils import impl_ret_borrowed
from numba.core.registry import cpu_target

from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._numba import intrinsic, overload, types
from rkruntime.simt._parts import INLINE
from rkruntime.simt._program import CONTEXT, PREFIX

__all__ = ("inlined", "is_check", "signed")

make_signature: Any = getattr(numba.core.typing, "signature")  # noqa: B009 - which numba does not export
_checks: weakref.WeakSet[Any] = weakref.WeakSet()


def signed(function: Any, name: str, signatures: tuple[Any, ...]) -> Any:
    """Make a device function that takes what its signatures declare, the best of them for the arguments given.

    Args:
        function: The dispatcher, whose first parameter is the context.
        name: What its author calls it.
        signatures: As numba-cuda compiled them.
    """

    def call(ctx, *args): ...

    @overload(call, jit_options=INLINE)
    def define(ctx, *args):
        best = _best_of(name, signatures, args)
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


def inlined(called: Any, tree: ast.FunctionDef, file: str, signatures: tuple[Any, ...]) -> FunctionType:
    """Make the function that converts, checks and calls, to become part of the kernel together with what it calls.

    Args:
        called: The dispatcher of the device function, whose first parameter is the context.
        tree: Its definition.
        file: Where that is.
        signatures: The one that it declares, of what `converts_inline` takes.
    """
    (declared,) = signatures
    names = [one.arg for one in tree.args.args[1:]]
    wanted = {f"{PREFIX}to_{k}": _conversion(one) for k, one in enumerate(declared.args)}
    finish = _conversion(declared.return_type)
    namespace = {name: found for name, found in wanted.items() if found is not None}
    converted = (f"{PREFIX}to_{k}({name})" if f"{PREFIX}to_{k}" in namespace else name for k, name in enumerate(names))
    call = f"{PREFIX}called({', '.join((CONTEXT, *converted))})"
    call = f"return {PREFIX}finish({call})" if finish is not None else f"return {call}"
    check = f"{PREFIX}check({', '.join(names)})"
    text = f"def {tree.name}({', '.join((CONTEXT, *names))}):\n {check}\n {call}"
    namespace |= {f"{PREFIX}called": called, f"{PREFIX}finish": finish}
    namespace |= {f"{PREFIX}check": _check(tree.name, signatures, len(names))}
    return _made(text, tree, file, namespace)


def is_check(callee: Any) -> bool:
    """Whether this only checks types, and does nothing when it is called."""
    return callee in _checks


def _made(text: str, tree: ast.FunctionDef, file: str, namespace: Mapping[str, Any]) -> FunctionType:
    """Compile a definition that stands in the place of another one."""
    module = ast.parse(text)
    for node in nodes_of(module):
        if isinstance(node, ast.stmt | ast.expr | ast.arg):
            node.lineno = node.end_lineno = tree.lineno
    made: dict[str, Any] = {}
    exec(compile(module, file, "exec"), dict(namespace), made)
    function = made[tree.name]
    assert isinstance(function, FunctionType)
    return function


def _conversion(wanted: Any) -> Any:
    """Return what converts to a type when it is called, or None where everything stays as it is."""
    wanted = make_signature(wanted).return_type
    if isinstance(wanted, types.Boolean):
        return bool
    return wanted if isinstance(wanted, types.Number) else None


def _best_of(name: str, signatures: tuple[Any, ...], args: Any) -> Any:
    """Return the signature that fits arguments best."""
    declared = [make_signature(one.return_type, *one.args) for one in signatures]
    given = tuple(map(types.unliteral, args))
    best = cpu_target.typing_context.resolve_overload(name, declared, given, {})
    if best is None:
        takes = " or ".join(f"({', '.join(map(str, one.args))})" for one in declared)
        raise TypingError(
            f"Invalid use of type {name} with parameters ({', '.join(map(str, given))}): it takes {takes}"
        )
    return best


def _check(name: str, signatures: tuple[Any, ...], count: int) -> Any:
    """Make the function that refuses arguments whose types do not fit."""

    def define(typing_context, *args):
        _best_of(name, signatures, args)
        return types.none(*args), lambda context, builder, signature, values: context.get_dummy_value()

    made: Any = define
    first, *_ = inspect.signature(made).parameters.values()
    others = [inspect.Parameter(f"x{k}", inspect.Parameter.POSITIONAL_OR_KEYWORD) for k in range(count)]
    made.__signature__ = inspect.Signature([first, *others])
    check = intrinsic(made)
    _checks.add(check)
    return check
