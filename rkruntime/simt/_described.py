"""Writing down functions that run while a kernel is typed, with all that they refer to, the same in every process.

What an overload returns for some types, or the code that an intrinsic makes, is up to Python code of its author. Where
that code refers to nothing but its own constants and functions, and to libraries whose versions are part of every
digest, it makes the same in each process. Where it refers to anything that may change meanwhile, nothing is told.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from rkruntime.simt._cache import Uncacheable, describe
from rkruntime.simt._variants import signatures_of

__all__ = ("described",)

_LIBRARIES = frozenset(("builtins", "llvmlite", "math", "numba", "numba_cuda", "numpy", "operator"))
_SETTINGS = ("config", "cudadrv")  # modules of these that hold what a program may set, or what a machine has
_MISSING = object()


def described(functions: tuple[FunctionType, ...], others_of: Callable[[FunctionType], tuple[Any, ...]]) -> str:
    """Write down functions with their code, text, defaults and closures, and all that they name, likewise.

    Args:
        functions: They.
        others_of: What returns the functions that numba calls in place of one, with what else matters of them.

    Raises:
        Uncacheable: They refer to what cannot be told, or have no text.
    """
    return "\n".join(_Describer(others_of).functions(functions))


class _Describer:
    def __init__(self, others_of: Callable[[FunctionType], tuple[Any, ...]]) -> None:
        self._others_of = others_of
        self._places: dict[FunctionType, int] = {}

    def functions(self, functions: tuple[FunctionType, ...]) -> Iterator[str]:
        for one in functions:
            yield from self._function(one)

    def _function(self, function: FunctionType) -> Iterator[str]:
        if function in self._places:
            yield f"function {self._places[function]}"
            return
        self._places[function] = len(self._places)
        for other in self._others_of(function):
            yield from self._value("in its place", other)
        if _root(function) in _LIBRARIES and not _is_of_tests(function):
            yield f"{function.__module__}.{function.__qualname__}"
            return
        code = function.__code__
        try:
            yield inspect.getsource(code)
        except (OSError, TypeError):
            raise Uncacheable(f"{function!r} has no source") from None
        yield from self._code(code)
        for defaults in (function.__defaults__ or (), tuple((function.__kwdefaults__ or {}).items())):
            yield from self._value("default", defaults)
        for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
            try:
                yield from self._value(name, cell.cell_contents)
            except ValueError:
                raise Uncacheable(f"{name} in {function!r} is not bound yet") from None
        for name in sorted(_names_in(code)):
            value = function.__globals__.get(name, _MISSING)
            if value is not _MISSING:
                yield from self._value(name, value)

    def _code(self, code: CodeType) -> Iterator[str]:
        yield f"{code.co_filename}:{code.co_firstlineno} {code.co_code.hex()} {code.co_names} {code.co_varnames}"
        for one in code.co_consts:
            if isinstance(one, CodeType):
                yield from self._code(one)
            elif isinstance(one, frozenset):
                yield from sorted(map(describe, one))
            else:
                yield describe(one)

    def _value(self, name: str, value: Any) -> Iterator[str]:
        yield name
        if isinstance(value, ModuleType):
            yield _told_module(value)
        elif isinstance(value, FunctionType):
            yield from self._function(value)
        elif _is_users_class(value if isinstance(value, type) else type(value)):
            raise Uncacheable(f"{value!r} is of a class that may be told by its name alone")
        elif isinstance(value, tuple | list):
            yield f"{type(value).__name__} of {len(value)}"
            for one in value:
                yield from self._value("", one)
        elif isinstance(inner := getattr(value, "_defn", None) or getattr(value, "py_func", None), FunctionType):
            yield f"{type(value).__module__}.{type(value).__qualname__} {_told_options(value)}"
            yield from self._function(inner)
        else:
            yield describe(value)


def _told_module(module: ModuleType) -> str:
    """Name a module of a library, in which nothing changes."""
    parts = module.__name__.split(".")
    if parts[0] not in _LIBRARIES or parts[-1] in _SETTINGS or "tests" in parts:
        raise Uncacheable(f"what {module.__name__} holds may change")
    return f"module {module.__name__}"


def _told_options(dispatcher: Any) -> str:
    """Write down how a dispatcher compiles, and the signatures that it was declared with."""
    options = sorted((getattr(dispatcher, "targetoptions", None) or {}).items())
    return f"{[(name, str(value)) for name, value in options]} {signatures_of(dispatcher)}"


def _names_in(code: CodeType) -> set[str]:
    """Return the global names, and those of attributes, of a function and those inside it."""
    inner = [_names_in(const) for const in code.co_consts if isinstance(const, CodeType)]
    return set(code.co_names).union(*inner)


def _is_users_class(kind: type) -> bool:
    return _root(kind) not in _LIBRARIES or _is_of_tests(kind)


def _root(value: Any) -> str:
    return (getattr(value, "__module__", None) or "").partition(".")[0]


def _is_of_tests(value: Any) -> bool:
    """Whether it is of numba's tests, which stand for users."""
    return ".tests." in value.__module__
