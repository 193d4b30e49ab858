"""Choosing between functions when a kernel runs: `op = f if c else g`, or by `if` statements.

Compiled code has no values that are functions of numba.cuda. So a name that stands for one of several holds a number
that tells which, and each call that names it becomes a choice between calls: `op(x)` is `f(x) if op == 0 else g(x)`.
Only the function chosen is called, also where threads choose differently.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

import attrs

from rkruntime.simt._copied import copied
from rkruntime.simt._names import UNKNOWN, Names, assigned_names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._read import Source, refuse

__all__ = ("number_choices",)


def number_choices(source: Source, names: Names, is_function: Callable[[Any], bool]) -> Source:
    """Return the function with its choices between functions made by number; the same one where it has none.

    Args:
        source: A function as its author wrote it.
        names: What its names stand for.
        is_function: Whether a value is known to be a function, so that no compiled code can hold it.

    Raises:
        UnsupportedKernel: A name stands for a function here and for a value there, or is used without being called.
    """
    choices = _Choices(source, names, is_function)
    choices.find()
    if not choices.taken and not choices.calls_one_of_two():
        return source
    tree = choices.visit(copied(source.tree))
    return attrs.evolve(source, tree=ast.fix_missing_locations(tree))


class _Choices(ast.NodeTransformer):
    """Finds the names that stand for one of several functions, and rewrites what mentions them."""

    def __init__(self, source: Source, names: Names, is_function: Callable[[Any], bool]) -> None:
        self.source = source
        self.names = names
        self.is_function = is_function
        self.taken: dict[str, dict[str, ast.expr]] = {}  # what each name may stand for, in the order of their numbers

    def find(self) -> None:
        """Find the names: all that is ever assigned to one is a function, or a choice between some."""
        assigned: dict[str, list[ast.expr]] = {}
        for node in nodes_of(self.source.tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                assigned.setdefault(node.targets[0].id, []).append(node.value)
        counts = assigned_names(self.source.tree)
        for name, values in assigned.items():
            found = [self._functions_of(value) for value in values]
            if not any(found) or self.names.value(name) is not UNKNOWN:
                continue
            if not all(found) or counts[name] != len(values) or name in self.names.parameters:
                mend = "give functions and values names of their own"
                raise refuse(self.source, values[0], f"{name} stands for a function and for other things", mend)
            self.taken[name] = {ast.dump(one): one for some in found for one in some}

    def calls_one_of_two(self) -> bool:
        """Whether a function is chosen where it is called: `(f if c else g)(x)`."""
        calls = (node for node in nodes_of(self.source.tree) if isinstance(node, ast.Call))
        return any(isinstance(node.func, ast.IfExp) and bool(self._functions_of(node.func)) for node in calls)

    def _functions_of(self, node: ast.expr) -> list[ast.expr]:
        """Return the functions that an expression may stand for; none where it may be anything else."""
        if isinstance(node, ast.IfExp):
            first, second = self._functions_of(node.body), self._functions_of(node.orelse)
            return [*first, *second] if first and second else []
        value = self.names.evaluate(node)
        return [node] if value is not UNKNOWN and self.is_function(value) else []

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Assign a number to a name that stands for one of several functions."""
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in self.taken:
            node.value = self._number(node.value, list(self.taken[target.id]))
            return node
        return self.generic_visit(node)

    def _number(self, node: ast.expr, known: Sequence[str]) -> ast.expr:
        if isinstance(node, ast.IfExp):
            node.test = self.visit(node.test)
            node.body, node.orelse = self._number(node.body, known), self._number(node.orelse, known)
            return node
        return ast.copy_location(ast.Constant(known.index(ast.dump(node))), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Choose between calls where a call names one of several functions, to call it or to pass it on."""
        chosen = node.func
        if isinstance(chosen, ast.IfExp) and self._functions_of(chosen):
            first, second = (_calling(one, node) for one in (chosen.body, chosen.orelse))
            made = ast.IfExp(self.visit(chosen.test), self.visit(first), self.visit(second))
            return ast.copy_location(made, node)
        places = [chosen, *node.args, *(one.value for one in node.keywords)]
        name = next((one.id for one in places if isinstance(one, ast.Name) and one.id in self.taken), None)
        return self.generic_visit(node) if name is None else self._choice(name, node)

    def _choice(self, name: str, node: ast.Call) -> ast.expr:
        """Return the choice between the calls that a call may be."""
        first, *others = self.taken[name].values()
        made: ast.expr = self.visit(_Replaced(name, first).visit(copied(node)))
        for number, function in enumerate(others, 1):
            call = self.visit(_Replaced(name, function).visit(copied(node)))
            test = ast.Compare(ast.Name(name, ast.Load()), [ast.Eq()], [ast.Constant(number)])
            made = ast.copy_location(ast.IfExp(test, call, made), node)
        return made

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Refuse what would use a function's number for a value."""
        if isinstance(node.ctx, ast.Load) and node.id in self.taken:
            mend = "call it, or pass it to a device function"
            raise refuse(self.source, node, f"{node.id}, which stands for a function, used as a value", mend)
        return node


class _Replaced(ast.NodeTransformer):
    """Puts a function in the place of a name."""

    def __init__(self, name: str, function: ast.expr) -> None:
        self.name, self.function = name, function

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Replace the name."""
        return ast.copy_location(copied(self.function), node) if node.id == self.name else node


def _calling(function: ast.expr, node: ast.Call) -> ast.Call:
    """Return the same call of another function."""
    return ast.copy_location(ast.Call(function, [*map(copied, node.args)], [*map(copied, node.keywords)]), node)
