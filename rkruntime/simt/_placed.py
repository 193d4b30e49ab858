"""Statements of ours among an author's: written as text, with the place in the file of what they stand beside."""

from __future__ import annotations

import ast

from rkruntime.simt._nodes import nodes_of

__all__ = ("placed", "statements_at")


def statements_at(at: ast.stmt, text: str, **parts: object) -> list[ast.stmt]:
    """Return the statements of a text.

    Args:
        at: What they stand beside.
        text: Python, with `{name}` for what is put in.
        parts: What is put in.
    """
    return [placed(statement, at) for statement in ast.parse(text.format(**parts)).body]


def placed(statement: ast.stmt, at: ast.stmt) -> ast.stmt:
    """Give a statement and all its parts the place of another in the file."""
    for node in nodes_of(statement):
        if "lineno" in node._attributes:
            ast.copy_location(node, at)
    return ast.fix_missing_locations(statement)
