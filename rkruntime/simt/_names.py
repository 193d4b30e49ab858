"""What the names in a function stand for, without running it: closures, globals, builtins, and fixed locals.

Numba freezes closures and globals when it compiles, and so do we. A local name is fixed if it is bound once, at the
outermost level, to something that is known before the kernel runs: an import inside the function, `sync =
cuda.syncthreads`, `TILE = 16`.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import operator
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from types import FunctionType, MappingProxyType, ModuleType
from typing import Any, Final

import numpy as np

from rkruntime.simt._nodes import nodes_of

__all__ = ("UNKNOWN", "Names", "assigned_names")


class _Unknown:
    """Stands for a value that is known only when the kernel runs."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = _Unknown()

_OPERATORS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_SUBMODULES = ("cg", "fp16", "libdevice", "random")
_CALLABLE = (int, float, bool, len, max, min, abs, round, tuple)
_PLAIN = (int, float, bool, str, tuple, np.integer, np.floating)
_SCOPES = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def assigned_names(tree: ast.AST) -> Counter[str]:
    """Count how often each name is bound in a function's body, nested functions' own names left out."""
    counts: Counter[str] = Counter()
    for node in nodes_of(tree, closed=_SCOPES)[1:]:
        if isinstance(node, ast.Name):
            counts[node.id] += not isinstance(node.ctx, ast.Load)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            counts[node.target.id] += 1  # bound before, and changed here: never fixed
        elif isinstance(node, ast.alias):
            counts[(node.asname or node.name).partition(".")[0]] += 1
        elif isinstance(node, ast.FunctionDef | ast.ExceptHandler) and node.name:
            counts[node.name] += 1
    return +counts


class Names:
    """What names stand for in one function.

    Args:
        function: The function.
        tree: Its definition.
        arguments: What is known of its arguments.
    """

    def __init__(
        self, function: FunctionType, tree: ast.FunctionDef, arguments: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        closure = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                closure[name] = cell.cell_contents
            except ValueError:  # not bound yet
                closure[name] = UNKNOWN
        self._outer: tuple[Mapping[str, Any], ...] = (closure, function.__globals__, vars(builtins))
        given = tree.args
        rest = [given.vararg] if given.vararg else []
        self.parameters = {one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs, *rest)}
        self._bound = assigned_names(tree)
        self._package = function.__globals__.get("__package__")
        self._fixed = {name: value for name, value in arguments.items() if name not in self._bound}
        self.fixed_statements: set[ast.stmt] = set()  # they bind what no compiled code can hold: leave them out
        for statement in tree.body:
            self._fix(statement)

    def is_local(self, name: str) -> bool:
        """Whether the compiled function still has the name as a parameter or variable."""
        known = self._fixed.get(name, UNKNOWN)
        return (name in self.parameters or name in self._bound) and (known is UNKNOWN or isinstance(known, _PLAIN))

    def value(self, name: str) -> Any:
        """Return what a name stands for, or UNKNOWN."""
        if name in self._fixed or name in self.parameters or name in self._bound:
            return self._fixed.get(name, UNKNOWN)
        for scope in self._outer:
            if name in scope:
                return scope[name]
        return UNKNOWN

    def evaluate(self, node: ast.AST) -> Any:
        """Return the value of an expression that is known before the kernel runs, else UNKNOWN."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self.value(node.id)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Tuple | ast.List):
            items = [self.evaluate(item) for item in node.elts]
            return UNKNOWN if UNKNOWN in _identities(items) else tuple(items)
        if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call | ast.Subscript):
            return self._compute(node)
        return UNKNOWN

    def _attribute(self, node: ast.Attribute) -> Any:
        owner = self.evaluate(node.value)
        # Attributes of modules and classes are fixed; those of other objects may be anything.
        if isinstance(owner, ModuleType | type):
            if owner is sys.modules.get("numba.cuda") and node.attr in _SUBMODULES:
                importlib.import_module(f"numba.cuda.{node.attr}")  # as numba-cuda does when it first compiles
            value = getattr(owner, node.attr, UNKNOWN)
            return UNKNOWN if isinstance(value, property) else value  # cuda.threadIdx.x is one
        return UNKNOWN

    def _compute(self, node: ast.BinOp | ast.UnaryOp | ast.Call | ast.Subscript) -> Any:
        """Compute with plain numbers and tuples; nothing else is run."""
        if isinstance(node, ast.BinOp):
            function: Any = _OPERATORS.get(type(node.op))
            operands: tuple[ast.AST, ...] = (node.left, node.right)
        elif isinstance(node, ast.UnaryOp):
            function, operands = _OPERATORS.get(type(node.op)), (node.operand,)
        elif isinstance(node, ast.Subscript):
            function, operands = operator.getitem, (node.value, node.slice)
        else:
            function = self.evaluate(node.func)
            operands = tuple(node.args)
            if node.keywords or not any(function is known for known in _CALLABLE):
                return UNKNOWN
        values = [self.evaluate(operand) for operand in operands]
        if function is None or not all(isinstance(value, _PLAIN) for value in values):
            return UNKNOWN
        try:
            return function(*values)
        except (ArithmeticError, TypeError, ValueError, LookupError):
            return UNKNOWN

    def _fix(self, statement: ast.stmt) -> None:
        """Fix what a statement at the outermost level binds, if nothing else binds it."""
        if isinstance(statement, ast.Import | ast.ImportFrom):
            try:
                bound = _imported(statement, self._package)
            except ImportError:  # numba says so, with the line
                return
            if all(self._bound.get(name) == 1 and name not in self.parameters for name in bound):
                self._fixed |= bound
                self.fixed_statements.add(statement)
        elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
            if isinstance(target, ast.Name) and self._bound.get(target.id) == 1 and target.id not in self.parameters:
                value = self.evaluate(statement.value)
                if value is not UNKNOWN:
                    self._fixed[target.id] = value
                    if not isinstance(value, _PLAIN):
                        self.fixed_statements.add(statement)


def _imported(statement: ast.Import | ast.ImportFrom, package: str | None) -> dict[str, Any]:
    """Run an import statement that stands in a kernel; return what it binds."""
    bound: dict[str, Any] = {}
    for alias in statement.names:
        if isinstance(statement, ast.Import):
            module = importlib.import_module(alias.name)
            root = importlib.import_module(alias.name.partition(".")[0])
            bound[alias.asname or alias.name.partition(".")[0]] = module if alias.asname else root
        else:
            owner = importlib.import_module("." * statement.level + (statement.module or ""), package)
            if not hasattr(owner, alias.name):
                importlib.import_module(f"{owner.__name__}.{alias.name}")
            bound[alias.asname or alias.name] = getattr(owner, alias.name)
    return bound


def _identities(items: list[Any]) -> list[Any]:
    """Return the items with all but UNKNOWN left out, since arrays do not compare as one."""
    return [item for item in items if item is UNKNOWN]
