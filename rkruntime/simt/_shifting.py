"""Shifts become calls of our functions where the amount is not known to be small: on CUDA they have a meaning then too.

What LLVM makes of a shift by as many bits as there are, or more, depends on the processor; ours do as PTX (see
`_shifts`). A shift by a constant that is less than the width of every shift stays an operator. Pure.
"""

from __future__ import annotations

import ast
from itertools import count

from rkruntime.simt._names import Names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._program import PREFIX, called

__all__ = ("IN_PLACE", "with_shifts_called")

WIDTH = 64  # numba computes no shift in less
_OPERATORS = {ast.LShift: "shift_left", ast.RShift: "shift_right"}
IN_PLACE = tuple(f"{PREFIX}{name}_in_place" for name in _OPERATORS.values())


def with_shifts_called(tree: ast.FunctionDef, names: Names) -> ast.FunctionDef:
    """Return a definition whose shifts are calls; `tree` is changed.

    Args:
        tree: A rewritten definition.
        names: What its names stand for.
    """
    return _Shifts(names).visit(tree)  # type: ignore[no-any-return]


class _Shifts(ast.NodeTransformer):
    def __init__(self, names: Names) -> None:
        self.names = names
        self.numbers = count()

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Replace `x << n`."""
        self.generic_visit(node)
        name = self._name(node.op, node.right)
        return node if name is None else called(name, node.left, node.right, at=node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt | list[ast.stmt]:
        """Replace `x[f()] <<= n`, where `f` is called once."""
        self.generic_visit(node)
        name = self._name(node.op, node.value)
        if name is None:
            return node
        target, before = node.target, list[ast.stmt]()
        if isinstance(target, ast.Attribute | ast.Subscript):
            target.value = self._held(target.value, before)
        if isinstance(target, ast.Subscript) and not any(isinstance(one, ast.Slice) for one in nodes_of(target.slice)):
            target.slice = self._held(target.slice, before)
        made = called(f"{name}_in_place", _loaded(target), node.value, at=node)
        return [_placed(one, node) for one in (*before, ast.Assign([target], made))]

    def _name(self, operator: ast.operator, amount: ast.expr) -> str | None:
        """Return the name of the function for an operator, or None where that does no harm."""
        known = self.names.evaluate(amount)
        harmless = isinstance(known, int) and 0 <= known < WIDTH
        return None if harmless else _OPERATORS.get(type(operator))

    def _held(self, node: ast.expr, before: list[ast.stmt]) -> ast.expr:
        """Return what reads a value without calling anything again; `before` gets what has to come first."""
        if not any(isinstance(one, ast.Call | ast.NamedExpr) for one in nodes_of(node)):
            return node
        name = f"{PREFIX}held_{next(self.numbers)}"
        before.append(ast.Assign([ast.Name(name, ast.Store())], node))
        return ast.Name(name, ast.Load())


def _loaded(target: ast.Name | ast.Attribute | ast.Subscript) -> ast.expr:
    """Return what reads the target of an assignment."""
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Attribute):
        return ast.Attribute(target.value, target.attr, ast.Load())
    return ast.Subscript(target.value, target.slice, ast.Load())


def _placed(statement: ast.stmt, node: ast.stmt) -> ast.stmt:
    return ast.fix_missing_locations(ast.copy_location(statement, node))
