"""Threads that subscript an array's shape or strides outside of it end there, where the drop-in does as a GPU does.

Without debug nobody is told of that on a GPU: the thread returns, and others go on. Elsewhere, and under debug, that is
an error. So are such subscripts in device functions, and those that run on a condition within a statement. Pure.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import attrs

from rkruntime.simt._copied import copied
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._placed import statements_at
from rkruntime.simt._read import Source

__all__ = ("with_threads_ended",)

TUPLES = ("shape", "strides")
GUARD = """
if not -len({array}.{name}) <= {index} < len({array}.{name}):
    return
"""


def with_threads_ended(source: Source) -> Source:
    """Return a kernel whose threads return before such a subscript; the same one where it has none.

    Args:
        source: A kernel as its author wrote it.
    """
    if not any(isinstance(node, ast.Attribute) and node.attr in TUPLES for node in nodes_of(source.tree)):
        return source
    ending = _Ending()
    tree = copied(source.tree)
    tree.body = [made for statement in tree.body for made in ending.guarded(statement)]
    return attrs.evolve(source, tree=ast.fix_missing_locations(tree)) if ending.count else source


class _Ending(ast.NodeTransformer):
    """Puts guards before statements."""

    def __init__(self) -> None:
        self.count = 0

    def guarded(self, statement: ast.stmt) -> list[ast.stmt]:
        """Return a statement, and those in it, with guards before them."""
        found = list(dict.fromkeys(_subscripts(statement)))
        self.count += len(found)
        guards = [
            one
            for array, name, index in found
            for one in statements_at(statement, GUARD, array=array, name=name, index=index)
        ]
        return [*guards, self.visit(statement)]

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Look into the statements of loops and branches."""
        for name, value in ast.iter_fields(node):
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                setattr(node, name, [made for statement in value for made in self.guarded(statement)])
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """Leave functions within alone: they return to the kernel."""
        return node


def _subscripts(statement: ast.stmt) -> Iterator[tuple[str, str, str]]:
    """Yield what a statement subscripts so whenever it runs, array, attribute and index, as text."""
    if isinstance(statement, ast.While | ast.FunctionDef) or any(
        isinstance(node, ast.NamedExpr) for node in nodes_of(statement)
    ):
        return
    for part in ast.iter_child_nodes(statement):
        if isinstance(part, ast.expr):
            yield from _always(part)


def _always(node: ast.expr) -> Iterator[tuple[str, str, str]]:
    """Yield what is subscripted so whenever an expression is computed."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr in TUPLES:
        array, index = node.value.value, node.slice
        if isinstance(array, ast.Name) and _is_plain(index) and not isinstance(index, ast.Constant):
            yield array.id, node.value.attr, f"({ast.unparse(index)})"
    if isinstance(node, ast.BoolOp):
        yield from _always(node.values[0])
    elif isinstance(node, ast.IfExp):
        yield from _always(node.test)
    elif isinstance(node, ast.Compare):
        yield from _always(node.left)
        yield from _always(node.comparators[0])
    elif not isinstance(node, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                yield from _always(part)


def _is_plain(index: ast.expr) -> bool:
    """Whether an index is computed from names, numbers and elements alone, so that it can be computed twice."""
    if isinstance(index, ast.BinOp):
        return _is_plain(index.left) and _is_plain(index.right)
    if isinstance(index, ast.UnaryOp):
        return _is_plain(index.operand) and not isinstance(index.operand, ast.Constant)
    if isinstance(index, ast.Subscript):
        return isinstance(index.value, ast.Name) and _is_plain(index.slice)
    return isinstance(index, ast.Name) or (isinstance(index, ast.Constant) and type(index.value) is int)
