"""The source of functions that were made from text by `exec` or `compile`, and stand in no file.

The text of a function is the one, of those that the process is known to have executed, that compiles to the very code
that the function has; so nothing is guessed.
"""

from __future__ import annotations
import __future__

import ast
from collections.abc import Collection, Iterator
from functools import reduce
from types import CodeType

from rkruntime.simt._nodes import nodes_of

__all__ = ("definition_of", "look_in")

FUTURES = reduce(int.__or__, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names))

_known: list[Collection[tuple[str, str]]] = []


def look_in(texts: Collection[tuple[str, str]]) -> None:
    """Look for functions without a file in these texts from now on.

    Args:
        texts: Names of files that are none, such as `<string>`, each with a text; the last comes last. May grow.
    """
    _known.append(texts)


def definition_of(code: CodeType) -> ast.FunctionDef | None:
    """Return the definition that was compiled to a function's code, or None where its text is not known."""
    for file, text in reversed([one for texts in _known for one in texts]):
        if file == code.co_filename and code.co_name in text and _makes(text, code):
            definitions = (one for one in nodes_of(ast.parse(text)) if isinstance(one, ast.FunctionDef))
            return next((one for one in definitions if _begins(one, code)), None)
    return None


def _makes(text: str, code: CodeType) -> bool:
    """Whether text compiles to this code, among others."""
    try:
        made = compile(text, code.co_filename, "exec", flags=code.co_flags & FUTURES, dont_inherit=True)
    except (SyntaxError, ValueError):
        return False
    return any(one == code for one in _codes_in(made))


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes_in(one)


def _begins(node: ast.FunctionDef, code: CodeType) -> bool:
    """Whether a definition has the code's name and begins, with its decorators, at the code's first line."""
    lines = [node.lineno, *(one.lineno for one in node.decorator_list)]
    return node.name == code.co_name and min(lines) == code.co_firstlineno
