"""Which arguments a kernel may store to. When in doubt, it does."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import FunctionType

import numpy as np

from rkruntime.simt._names import UNKNOWN, Names, assigned_names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._rewrite import Program, Unit
from rkruntime.simt._shifting import IN_PLACE

__all__ = ("written_parameters",)

_STORING = ("_rk_atomic_", "_rk_store_cached", *IN_PLACE)
_READING_METHODS = frozenset(
    {"all", "any", "argmax", "argmin", "astype", "copy", "item", "max", "mean", "min", "prod", "std", "sum", "var"}
)
_VIEWING_METHODS = frozenset({"flatten", "ravel", "reshape", "transpose", "view"})
_STORING_FUNCTIONS = ("copyto", "fill_diagonal", "put", "place", "putmask")

Roots = frozenset[str]
NONE: Roots = frozenset()


def written_parameters(program: Program, dimensions: Mapping[str, int]) -> frozenset[int]:
    """Return the places of the kernel's parameters, counted from 0, that it may store to.

    Args:
        program: The kernel and its device functions.
        dimensions: How many the kernel's arrays of numbers have, by parameter; so `x[i]` is known to be a number, or
            a row.
    """
    summaries: dict[FunctionType, Roots] = dict.fromkeys(program.units, NONE)
    changed = True
    while changed:  # device functions may call one another in any order
        changed = False
        for function, unit in program.units.items():
            known = dimensions if unit is program.kernel else {}
            found = _Stores(unit, program, summaries, known).run()
            if found != summaries[function]:
                summaries[function], changed = found, True
    kernel = program.kernel
    written = summaries[kernel.source.function]
    return frozenset(k for k, name in enumerate(kernel.source.parameters) if name in written)


class _Stores(ast.NodeVisitor):
    """Finds the parameters of one function that it may store to, through any names that may view them."""

    def __init__(
        self, unit: Unit, program: Program, summaries: Mapping[FunctionType, Roots], dimensions: Mapping[str, int]
    ) -> None:
        self.unit = unit
        self.names: Names = unit.names
        self.program = program
        self.summaries = summaries
        bound = assigned_names(unit.tree)
        slices = any(isinstance(node, ast.Name) and node.id == "slice" for node in nodes_of(unit.tree))
        self.dimensions = {} if slices else {name: n for name, n in dimensions.items() if name not in bound}
        self.views: dict[str, Roots] = {name: frozenset({name}) for name in unit.source.parameters}
        self.written: set[str] = set()

    def run(self) -> Roots:
        """Go over the function until nothing new is found: loops carry views backwards."""
        before = None
        while before != (before := (dict(self.views), set(self.written))):
            self.visit(self.unit.tree)
        return frozenset(self.written)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Names on the left may view what the right does."""
        self.generic_visit(node)
        for target in node.targets:
            self._bind(target, self._roots(node.value))

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """As an assignment."""
        self.generic_visit(node)
        self._bind(node.target, self._roots(node.value))

    def visit_For(self, node: ast.For) -> None:
        """Rows of an array that is gone through are views of it."""
        self._bind(node.target, self._roots(node.iter))
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        """A view that is added to changes in place."""
        self.generic_visit(node)
        if isinstance(node.target, ast.Name):
            self.written |= self._roots(ast.Name(node.target.id, ast.Load()))

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """A store to an element."""
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            self.written |= self._roots(node.value)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """A store to a field."""
        self.generic_visit(node)
        if not isinstance(node.ctx, ast.Load):
            self.written |= self._roots(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        """Atomics, device functions, and whatever is not known to leave its arguments alone."""
        self.generic_visit(node)
        arguments = [*node.args, *(one.value for one in node.keywords)]
        function = node.func
        if isinstance(function, ast.Attribute) and self.names.evaluate(function) is UNKNOWN:
            if function.attr not in _READING_METHODS | _VIEWING_METHODS:
                self.written |= self._roots(function.value)
        elif isinstance(function, ast.Name) and function.id.startswith(_STORING):
            self.written |= self._roots(node.args[0])
        elif isinstance(function, ast.Name) and function.id in self.unit.devices:
            self._call_device(self.unit.devices[function.id], node)
        elif not (isinstance(function, ast.Name) and function.id.startswith("_rk_")):
            value = self.names.evaluate(function)
            module = getattr(value, "__module__", None) or ""
            library = isinstance(value, type | np.ufunc) or module.partition(".")[0] in ("builtins", "math", "numpy")
            if not library or getattr(value, "__name__", "") in _STORING_FUNCTIONS or _has_out(node):
                for one in arguments:
                    self.written |= self._roots(one)

    def _call_device(self, device: FunctionType, node: ast.Call) -> None:
        unit = self.program.units[device]
        stored = self.summaries[device]
        given = dict(zip(unit.source.parameters, node.args[1:], strict=False))  # the first is the context
        given |= {one.arg: one.value for one in node.keywords if one.arg is not None}
        for name, value in given.items():
            if name in stored:
                self.written |= self._roots(value)

    def _bind(self, target: ast.AST, roots: Roots) -> None:
        for one in nodes_of(target):
            if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store):
                self.views[one.id] = self.views.get(one.id, NONE) | roots

    def _roots(self, node: ast.AST) -> Roots:
        """Return the parameters that the value of an expression may be a view of."""
        if isinstance(node, ast.Name):
            return self.views.get(node.id, NONE)
        if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Compare | ast.Constant | ast.JoinedStr):
            return NONE
        if isinstance(node, ast.Attribute):
            return NONE if node.attr in ("shape", "size", "ndim", "dtype", "strides") else self._roots(node.value)
        if isinstance(node, ast.Subscript):
            return NONE if self._is_element(node) else self._roots(node.value)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _READING_METHODS:
            return NONE
        return frozenset().union(*(self._roots(child) for child in ast.iter_child_nodes(node)))

    def _is_element(self, node: ast.Subscript) -> bool:
        """Whether a subscript gives one element of an array, and no view."""
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        whole = not any(isinstance(one, ast.Slice | ast.Starred) or _is_ellipsis(one) for one in parts)
        return whole and isinstance(node.value, ast.Name) and len(parts) == self.dimensions.get(node.value.id)


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or node.value is Ellipsis)


def _has_out(node: ast.Call) -> bool:
    """Whether a call of NumPy may be given an array to write to."""
    return any(one.arg in ("out", None) for one in node.keywords)
