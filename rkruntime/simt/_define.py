"""A definition made of parts, the same for every Python: from 3.12 on the grammar has type parameters too."""

from __future__ import annotations

import ast

__all__ = ("defined",)


def defined(name: str, arguments: ast.arguments, body: list[ast.stmt], at: ast.expr | ast.stmt) -> ast.FunctionDef:
    """Make a definition in the place of a node; what has no place in the file yet gets that of its parent."""
    made = ast.parse("def _(): ...").body[0]
    assert isinstance(made, ast.FunctionDef)
    made.name, made.args, made.body = name, arguments, body
    return ast.fix_missing_locations(ast.copy_location(made, at))
