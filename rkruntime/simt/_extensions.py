"""Functions that users have given to the cuda target by numba's extension API: overloads and intrinsics.

What an overload returns for the types at hand may use features of numba.cuda itself. So it is read and rewritten as
device functions are, once the types are known. An intrinsic is given to numba's CPU target as it stands: it makes LLVM
code, and what is not for GPUs alone means the same on a CPU.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

import attrs

from rkruntime.errors import UnsupportedKernel
from rkruntime.simt._described import described
from rkruntime.simt._foreign import for_cpus
from rkruntime.simt._stand_ins import StandIn

__all__ = ("Overload", "extension_of", "intrinsic_of", "without_context")


def extension_of(found: object) -> StandIn | None:
    """Return what kernels call in place of a function with overloads for the cuda target, or None where it has none.

    Its first parameter is the context.
    """
    if not isinstance(found, FunctionType):
        return None
    overloads = tuple(_overloads_of(found))
    return _extension(found, overloads) if overloads else None


def intrinsic_of(found: object) -> StandIn | None:
    """Return an intrinsic for the cuda target, of numba-cuda's extension API or numba's, for the CPU target.

    None where that is none.
    """
    if not hasattr(found, "_defn"):
        return None
    for_cuda = getattr(found, "_ctor_kwargs", {}).get("target") == "cuda"
    return _intrinsic(found) if for_cuda or type(found).__module__ == "numba.cuda.extending" else None


@attrs.frozen
class Overload:
    """One overload, as the template that numba-cuda makes of it."""

    template: Any

    @property
    def define(self) -> Callable[..., Any]:
        """The function that takes types, and returns an implementation or None."""
        define: Callable[..., Any] = inspect.unwrap(self.template._overload_func)
        return define

    @property
    def prefers_literals(self) -> bool:
        """Whether it wants to see the values of literals."""
        return bool(getattr(self.template, "prefer_literal", False))

    @property
    def is_strict(self) -> bool:
        """Whether an implementation is to have the same parameters."""
        return bool(getattr(self.template, "_strict", False))

    def implementation(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, FunctionType] | None:
        """Return a signature or None, and the implementation for these types; None where it takes others.

        Raises:
            NumbaError: The implementation has other parameters than the overload, which is strict.
        """
        from numba.core.errors import TypingError
        from numba.core.types import unliteral

        if not self.prefers_literals:
            args, keywords = tuple(map(unliteral, args)), {name: unliteral(one) for name, one in keywords.items()}
        found = self.define(*args, **keywords)
        signature, implementation = found if isinstance(found, tuple) else (None, found)
        if implementation is None:
            return None
        if self.is_strict:
            try:
                self.template._validate_sigs(None, self.define, implementation)
            except Exception as error:  # an internal error of numba-cuda's, though it is the author's
                raise TypingError(str(error)) from error
        return signature, implementation


def _overloads_of(function: FunctionType) -> list[Overload]:
    """Return what was registered with either package for the cuda target, the last first."""
    import numba.core.typing.templates
    import numba.cuda.typing.templates

    ours: Any = numba.core.typing.templates
    theirs: Any = numba.cuda.typing.templates
    found = [one for one in ours.builtin_registry.functions if getattr(one, "metadata", {}).get("target") == "cuda"]
    found += theirs.builtin_registry.functions
    of_function = [one for one in found if getattr(one, "key", None) is function and hasattr(one, "_overload_func")]
    return [Overload(one) for one in reversed(of_function)]


@functools.cache
def _extension(function: FunctionType, overloads: tuple[Overload, ...]) -> StandIn:
    from rkruntime.simt._emit import numba_options
    from rkruntime.simt._numba import overload
    from rkruntime.simt._options import Options

    name = function.__name__

    def call(ctx, *args): ...

    prefers_literals = any(one.prefers_literals for one in overloads)

    settings = numba_options(Options()) | {"forceinline": True}

    @overload(call, jit_options=settings, strict=False, prefer_literal=prefers_literals)
    def define(ctx, *args, **keywords):
        for one in overloads:
            found = one.implementation(args, keywords)
            if found is None:
                continue
            signature, implementation = found
            made = _rewritten(implementation, name)
            return made if signature is None else (_signature(signature.return_type, ctx, *signature.args), made)
        return None

    told = functools.partial(described, (function,), _others_of)
    return StandIn(f"extended {name}", call, cacheable=False, told=told)


def _signature(result: Any, *args: Any) -> Any:
    import numba.core.typing

    make_signature: Any = getattr(numba.core.typing, "signature")  # noqa: B009 - which numba does not export
    return make_signature(result, *args)


def _rewritten(implementation: FunctionType, name: str) -> FunctionType:
    """Rewrite what an overload returned, as a device function."""
    from rkruntime.simt._rewrite import rewrite

    return _emitted(rewrite(implementation, name, device=True))


def _emitted(program: Any) -> FunctionType:
    """Return the function that numba compiles."""
    from rkruntime.simt._emit import emit
    from rkruntime.simt._options import Options
    from rkruntime.simt._trees import trees_of

    function: FunctionType = emit(program, trees_of(program, guards=False), Options()).body.py_func
    return function


def without_context(implementation: FunctionType, name: str) -> FunctionType:
    """Rewrite what an overload of a method, attribute or operator returned: nobody gives these a context.

    Raises:
        UnsupportedKernel: It uses a feature that needs to know the thread.
    """
    from rkruntime.simt._program import CONTEXT
    from rkruntime.simt._rewrite import rewrite

    program = rewrite(implementation, name, device=True)
    for feature, (file, line) in program.features.items():
        if feature.takes_ctx:
            construct = f"{feature.spelling} in an overload of the method, attribute or operator {name}"
            mend = "compute it in the kernel and pass it, or write a function with `overload`"
            raise UnsupportedKernel(name, construct, file, line, mend)
    tree = program.kernel.tree
    tree.args.args.pop(0)
    nothing = ast.Assign([ast.Name(CONTEXT, ast.Store())], ast.Constant(None))
    tree.body.insert(0, ast.fix_missing_locations(ast.copy_location(nothing, tree)))
    return _emitted(program)


@functools.cache
def _intrinsic(found: Any) -> StandIn:
    from rkruntime.simt._numba import intrinsic

    @functools.wraps(found._defn)
    def define(typing_context, *args):
        made = found._defn(typing_context, *args)
        if made is None:
            return None
        signature, codegen = made
        return _signature(signature.return_type, *signature.args), for_cpus(codegen)

    carried = intrinsic(prefer_literal=found._prefer_literal)(define)
    told = functools.partial(described, (found._defn,), _others_of)
    return StandIn(f"intrinsic {found._name} {found._prefer_literal}", carried, cacheable=False, told=told)


def _others_of(function: FunctionType) -> tuple[Any, ...]:
    """Return the overloads of a function, with how each is asked."""
    return tuple((one.define, one.prefers_literals, one.is_strict) for one in _overloads_of(function))
