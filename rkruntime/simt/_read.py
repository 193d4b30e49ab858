"""Reading a kernel: from a function object to its syntax tree, with the author's own file and line numbers kept."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Mapping
from types import CodeType, FunctionType, MappingProxyType
from typing import Any

import attrs

from rkruntime.errors import UnsupportedKernel
from rkruntime.simt._executed import definition_of
from rkruntime.simt._lambdas import read_lambda
from rkruntime.simt._nodes import nodes_of

__all__ = ("Source", "plain_function", "read", "refuse")


@attrs.frozen(eq=False)
class Source:
    """A function as its author wrote it.

    Args:
        function: The plain Python function.
        name: What errors call the kernel that it belongs to.
        file: The file, or what stands for one in a notebook.
        tree: The definition, with line numbers of the file; decorators are left out.
        known: What names of ours that it was given since stand for.
    """

    function: Any  # a FunctionType; typed so, since type checkers take a function in a class for its method
    name: str
    file: str
    tree: ast.FunctionDef
    known: Mapping[str, Any] = MappingProxyType({})

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters, in order."""
        given = self.tree.args
        return tuple(one.arg for one in (*given.posonlyargs, *given.args))


def refuse(source: Source, node: ast.AST | int, construct: str, mend: str) -> UnsupportedKernel:
    """Make the error for a construct that the compiler cannot take."""
    line = node if isinstance(node, int) else getattr(node, "lineno", source.tree.lineno)
    return UnsupportedKernel(source.name, construct, source.file, line, mend)


def plain_function(given: Any) -> FunctionType | None:
    """Return the Python function behind a dispatcher, or the function itself; None for other things."""
    function = getattr(given, "py_func", given)
    return function if isinstance(function, FunctionType) else None


def read(function: FunctionType, name: str, *, device: bool = False) -> Source:
    """Read a function's source.

    Args:
        function: A plain function.
        name: The kernel that it belongs to.
        device: Whether it is a device function, which may be a lambda.

    Raises:
        UnsupportedKernel: It is a lambda, a generator or a coroutine; it has no source; or it takes `**kwargs`, or is a
            kernel that takes `*args`.
    """
    code = function.__code__
    refused = functools.partial(UnsupportedKernel, name, file=code.co_filename, line=code.co_firstlineno)
    if code.co_name == "<lambda>":
        found = read_lambda(code) if device else None
        if found is None:
            raise refused(construct="a lambda", mend="write it as a function with `def`")
        return Source(function, name, code.co_filename, found)
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        raise refused(construct="a generator or coroutine", mend="write it as a plain function without yield or await")
    if code.co_flags & (inspect.CO_VARKEYWORDS if device else inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        raise refused(construct="**kwargs" if device else "*args or **kwargs", mend="name every parameter")
    tree = _find(_parse(function), code) or definition_of(code)
    if tree is None:
        raise refused(
            construct=f"{function.__qualname__} has no source that can be read",
            mend="define it with `def` in a file or a notebook cell, or put its text into linecache.cache before exec; "
            "after changing the file, import it again",
        )
    tree.decorator_list = []
    return Source(function, name, code.co_filename, tree)


def _parse(function: FunctionType) -> ast.Module | None:
    """Parse the lines around a definition; None where there are none, or they are no Python."""
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError, IndentationError, SyntaxError):
        return None
    text = "".join(lines)
    indented = text[:1].isspace()
    for candidate, offset in (("if 1:\n" + text, 2), (textwrap.dedent(text), 1)) if indented else ((text, 1),):
        try:
            return ast.parse("\n" * (max(first, 1) - offset) + candidate)
        except SyntaxError:
            continue
    return None


def _find(tree: ast.Module | None, code: CodeType) -> ast.FunctionDef | None:
    """Find the definition that was compiled to `code`: by name and parameters, since a file may have changed since."""
    if tree is None:
        return None
    parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for node in nodes_of(tree):
        if isinstance(node, ast.FunctionDef) and node.name == code.co_name:
            given = node.args
            names = tuple(one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs))
            return node if names == parameters else None
    return None
