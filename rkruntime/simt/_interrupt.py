"""Loops that can run for long look whether their launch is cancelled.

`while` loops look each time around. So does a `for` over a range that holds such loops itself. An innermost `for` over
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
from itertools import count

import numba

from rkruntime.simt._bounds import STRIP
from rkruntime.simt._names import UNKNOWN, Names
from rkruntime.simt._rewrite import CONTEXT, Unit, called

__all__ = ("add_interrupts",)


def add_interrupts(unit: Unit, tree: ast.FunctionDef) -> ast.FunctionDef:
    """Return the definition with checks in its loops; `tree` is changed."""
    changed = _Interrupts(unit.names).visit(tree)
    return ast.fix_missing_locations(changed)  # type: ignore[no-any-return]


class _Interrupts(ast.NodeTransformer):
    def __init__(self, names: Names) -> None:
        self.names = names
        self.numbers = count()

    def visit_While(self, node: ast.While) -> ast.stmt:
        """Look each time around."""
        self.generic_visit(node)
        node.body.insert(0, _check(node))
        return node

    def visit_For(self, node: ast.For) -> ast.stmt | list[ast.stmt]:
        """Look each time around, or between strips."""
        holds_loops = any(self._is_long(inner) for inner in ast.walk(node) if inner is not node)
        self.generic_visit(node)
        if not self._is_long(node):
            return node
        if holds_loops:
            node.body.insert(0, _check(node))
            return node
        return self._strip(node)

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
