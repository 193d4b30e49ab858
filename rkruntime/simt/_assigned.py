"""What a function's names are assigned, for analyses that follow values from name to name. Pure."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Set

from rkruntime.simt._nodes import nodes_of

__all__ = ("assignment", "comes_from", "followed", "reads_elements", "stored_names")


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


def comes_from(expression: ast.expr, names: Set[str]) -> bool:
    """Whether an expression reads elements of arrays, or has one of some names."""
    named = (part.id in names for part in nodes_of(expression) if isinstance(part, ast.Name))
    return reads_elements(expression) or any(named)


def reads_elements(expression: ast.expr) -> bool:
    """Whether an expression reads elements of arrays; their extents are none."""
    return any(
        isinstance(part, ast.Subscript) and not (isinstance(part.value, ast.Attribute) and part.value.attr == "shape")
        for part in nodes_of(expression)
    )
