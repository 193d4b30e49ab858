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

Where a scalar loop counts up from what data say, and takes its counter as an index, nothing tells LLVM that it is not
negative, so each subscript would look whether to count from the array's end. Such a loop is there twice, and the one
that begins at 0 or above does not look.
"""

from __future__ import annotations

import ast
from collections.abc import Set
from itertools import count
from types import FunctionType

import numba

from rkruntime.simt._copied import copied
from rkruntime.simt._features import Category
from rkruntime.simt._names import UNKNOWN, Names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._rewrite import CONTEXT, PREFIX, Program, Unit, called
from rkruntime.simt._stubs import STRIP

__all__ = ("add_interrupts", "waiting_functions")


LONGEST_TWICE = 150  # nodes of a body that is there twice
WAITS = frozenset({Category.BARRIER, Category.WARP, Category.GRID})


def add_interrupts(
    unit: Unit, tree: ast.FunctionDef, waiting: Set[FunctionType] = frozenset(), *, scalar: bool = False
) -> ast.FunctionDef:
    """Return the definition with checks in its loops; `tree` is changed.

    Args:
        unit: Whose it is.
        tree: The definition.
        waiting: Device functions in which threads wait for one another.
        scalar: Whether its threads run one after the other.
    """
    waits = {PREFIX + feature.name for feature in unit.features if feature.category in WAITS}
    waits |= {name for name, function in unit.devices.items() if function in waiting}
    changed = _Interrupts(unit.names, waits, scalar).visit(tree)
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
    def __init__(self, names: Names, waits: Set[str], scalar: bool) -> None:
        self.names = names
        self.waits = waits
        self.scalar = scalar
        self.numbers = count()

    def visit_While(self, node: ast.While) -> ast.stmt:
        """Look each time around."""
        self.generic_visit(node)
        node.body.insert(0, _check(node))
        return node

    def visit_For(self, node: ast.For) -> ast.stmt | list[ast.stmt]:
        """Look each time around, or between strips."""
        parts = [inner for inner in nodes_of(node) if inner is not node]
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
        strip = called("strip", ast.Name(first, ast.Load()), *arguments, at=node)
        inner: ast.stmt = ast.For(node.target, strip, node.body, [_check(node), ast.Continue()])
        if self.scalar and self._may_count_up(bounds) and (body := _counted(node)):
            from_zero = ast.Compare(ast.Name(first, ast.Load()), [ast.GtE()], [ast.Constant(0)])
            counting = ast.For(copied(node.target), copied(strip), body, [_check(node), ast.Continue()])
            inner = ast.If(from_zero, [counting], [inner])
        outer = ast.For(
            ast.Name(first, ast.Store()), called("strips", *arguments, at=node), [inner, ast.Break()], node.orelse
        )
        statements.append(outer)
        return [_placed(statement, node) for statement in statements]

    def _may_count_up(self, bounds: list[ast.expr]) -> bool:
        """Whether a loop counts up from what only data say."""
        step = self.names.evaluate(bounds[2])
        return self.names.evaluate(bounds[0]) is UNKNOWN and isinstance(step, int) and step > 0


def _counted(node: ast.For) -> list[ast.stmt] | None:
    """Return a loop's body with its counter, as an index, not counted from an array's end; None for no such body."""
    target = node.target
    inside = [inner for statement in node.body for inner in nodes_of(statement)]
    if not isinstance(target, ast.Name) or len(inside) > LONGEST_TWICE:
        return None
    if any(isinstance(one, ast.Name) and one.id == target.id and not isinstance(one.ctx, ast.Load) for one in inside):
        return None
    visitor = _Counted(target.id)
    body: list[ast.stmt] = [visitor.visit(copied(statement)) for statement in node.body]
    return body if visitor.found else None


class _Counted(ast.NodeTransformer):
    """Has subscripts by a loop's counter say that it is not negative."""

    def __init__(self, counter: str) -> None:
        self.counter = counter
        self.found = False

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Mark the counter among the indices."""
        self.generic_visit(node)
        if isinstance(node.value, ast.Name):
            array = node.value.id
            if isinstance(node.slice, ast.Tuple):
                node.slice.elts = [self._marked(array, one) for one in node.slice.elts]
            else:
                node.slice = self._marked(array, node.slice)
        return node

    def _marked(self, array: str, index: ast.expr) -> ast.expr:
        if not isinstance(index, ast.Name) or index.id != self.counter:
            return index
        self.found = True
        return called("counted", ast.Name(array, ast.Load()), index, at=index)


def _check(node: ast.AST) -> ast.stmt:
    return _placed(ast.Expr(called("interrupt", ast.Name(CONTEXT, ast.Load()), at=node)), node)


def _placed(statement: ast.stmt, node: ast.AST) -> ast.stmt:
    """Give a statement of ours the place in the file of the loop that it serves."""
    return ast.fix_missing_locations(ast.copy_location(statement, node))
