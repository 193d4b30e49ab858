"""What a function's names are assigned, for analyses that follow values from name to name. Pure."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from rkruntime.simt._nodes import nodes_of

__all__ = ("assignment", "followed", "stored_names")


def assignment(node: ast.AST) -> tuple[list[ast.expr], ast.expr] | None:
    """Return what a node assigns to, and from what, a loop from what it is over; None where it assigns nothing."""
    if isinstance(node, ast.Assign):
        return node.targets, node.value
    if isinstance(node, ast.AugAssign | ast.NamedExpr):
        return [node.target], node.value
    if isinstance(node, ast.For):
        return [node.target], node.iter
    return None


def stored_names(target: ast.AST) -> Iterator[str]:
    """Yield the names that a target stores to."""
    return (one.id for one in nodes_of(target) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))


def followed(tree: ast.AST, found_at: Callable[[ast.AST, frozenset[str]], Iterator[str]]) -> frozenset[str]:
    """Return the names that are found at any node, given those that were found before, until there are no more."""
    found, grown = frozenset[str](), True
    while grown:
        more = frozenset(name for node in nodes_of(tree) for name in found_at(node, found))
        grown, found = not more <= found, found | more
    return found
