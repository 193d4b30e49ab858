"""Loops that can run for long look whether their launch is cancelled.

`while` loops look each time around. So does a `for` over a range that holds such loops itself, or in which threads wait
for one another, so that no vector could run over its turns. An innermost `for` over
a range is cut into strips of 65,536 and looks between them, so that the loop in a strip vectorises as the author's
would; Python's `for ... else` carries a `break` out:

    for first in strips(1, 0, n, 1):
        for i in strip(first, 1, 0, n, 1):
            ...
        else:
            interrupt(ctx)
            continue
        break
    else:
        ...

Ranges with fewer steps than that, known before the kernel runs, stay as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Set
from itertools import count
from types import FunctionType

import numba

from rkruntime.simt._features import Category
from rkruntime.simt._names import UNKNOWN, Names
from rkruntime.simt._rewrite import CONTEXT, PREFIX, Program, Unit, called
from rkruntime.simt._stubs import STRIP

__all__ = ("add_interrupts", "waiting_functions")


WAITS = frozenset({Category.BARRIER, Category.WARP, Category.GRID})


def add_interrupts(unit: Unit, tree: ast.FunctionDef, waiting: Set[FunctionType] = frozenset()) -> ast.FunctionDef:
    """Return the definition with checks in its loops; `tree` is changed.

    Args:
        unit: Whose it is.
        tree: The definition.
        waiting: Device functions in which threads wait for one another.
    """
    waits = {PREFIX + feature.name for feature in unit.features if feature.category in WAITS}
    waits |= {name for name, function in unit.devices.items() if function in waiting}
    changed = _Interrupts(unit.names, waits).visit(tree)
    return ast.fix_missing_locations(changed)  # type: ignore[no-any-return]


def waiting_functions(program: Program) -> frozenset[FunctionType]:
    """Return the functions of a program in which threads wait for one another, or in functions that they call."""
    units = program.units
    found = {
        function for function, unit in units.items() if any(feature.category in WAITS for feature in unit.features)
    }
    while more := {one for one, unit in units.items() if one not in found and found & set(unit.devices.values())}:
        found |= more
    return frozenset(found)


class _Interrupts(ast.NodeTransformer):
    def __init__(self, names: Names, waits: Set[str]) -> None:
        self.names = names
        self.waits = waits
        self.numbers = count()

    def visit_While(self, node: ast.While) -> ast.stmt:
        """Look each time around."""
        self.generic_visit(node)
        node.body.insert(0, _check(node))
        return node

    def visit_For(self, node: ast.For) -> ast.stmt | list[ast.stmt]:
        """Look each time around, or between strips."""
        parts = [inner for inner in ast.walk(node) if inner is not node]
        stands_alone = not any(self._is_long(part) or self._waits(part) for part in parts)
        self.generic_visit(node)
        if not self._is_long(node):
            return node
        if stands_alone:
            return self._strip(node)
        node.body.insert(0, _check(node))
        return node

    def _waits(self, node: ast.AST) -> bool:
        """Whether a node stands for something in which threads wait for one another."""
        return isinstance(node, ast.Name) and node.id in self.waits

    def _is_long(self, node: ast.AST) -> bool:
        """Whether a node is a loop that may take more steps than a strip has."""
        if isinstance(node, ast.While):
            return True
        if not isinstance(node, ast.For) or not isinstance(node.iter, ast.Call):
            return False
        call = node.iter
        function = self.names.evaluate(call.func)
        is_range = function is range or function is numba.prange
        if not is_range or call.keywords or not 1 <= len(call.args) <= 3:
            return False
        known = [self.names.evaluate(one) for one in call.args]
        if all(isinstance(one, int) for one in known):
            try:
                return len(range(*known)) > STRIP
            except (ValueError, OverflowError):  # a step of 0, or more steps than fit a word
                return True
        return not any(isinstance(one, ast.Starred) for one in call.args)

    def _strip(self, node: ast.For) -> list[ast.stmt]:
        """Cut a loop into strips."""
        assert isinstance(node.iter, ast.Call)
        given = node.iter.args
        bounds: list[ast.expr] = [ast.Constant(0), ast.Constant(0), ast.Constant(1)]
        statements: list[ast.stmt] = []
        for place, one in zip({1: (1,), 2: (0, 1), 3: (0, 1, 2)}[len(given)], given, strict=True):
            if self.names.evaluate(one) is UNKNOWN:
                name = f"_rk_bound_{next(self.numbers)}"
                statements.append(ast.Assign([ast.Name(name, ast.Store())], one))
                bounds[place] = ast.Name(name, ast.Load())
            else:
                bounds[place] = one
        first = f"_rk_first_{next(self.numbers)}"
        arguments = (ast.Constant(len(given)), *bounds)
        inner = ast.For(
            node.target,
            called("strip", ast.Name(first, ast.Load()), *arguments, at=node),
            node.body,
            [_check(node), ast.Continue()],
        )
        outer = ast.For(
            ast.Name(first, ast.Store()), called("strips", *arguments, at=node), [inner, ast.Break()], node.orelse
        )
        statements.append(outer)
        return [_placed(statement, node) for statement in statements]


def _check(node: ast.AST) -> ast.stmt:
    return _placed(ast.Expr(called("interrupt", ast.Name(CONTEXT, ast.Load()), at=node)), node)


def _placed(statement: ast.stmt, node: ast.AST) -> ast.stmt:
    """Give a statement of ours the place in the file of the loop that it serves."""
    return ast.fix_missing_locations(ast.copy_location(statement, node))
