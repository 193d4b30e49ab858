"""What the expressions at the beginning of a kernel are: a thread's place, or the same for all threads of a block."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs
import numpy as np

from rkruntime.simt._names import UNKNOWN, Names
from rkruntime.simt._nodes import nodes_of

__all__ = ("EXTENTS", "SAME_IN_BLOCK", "Kind", "Prefix", "Value", "is_pure")

EXTENTS = ("size", "shape", "ndim")
"""Attributes of arrays that are the same for all threads."""

SHIFTS = ("_rk_shift_left", "_rk_shift_right")
AXES_OF_GRID = {"_rk_grid_1": 1, "_rk_grid_2": 2, "_rk_grid_3": 3}


class Kind(Enum):
    """What an expression is."""

    PLACE = "place"  # the thread's place in the grid along `axis`
    THREAD = "thread"  # its index in the block
    BLOCK = "block"  # the block's index
    EXTENT = "extent"  # threads of a block along `axis`
    UNIFORM = "uniform"  # the same for all threads of a block, and free of effects
    GRID = "grid"  # the tuple that cuda.grid(2) and cuda.grid(3) return
    OTHER = "other"  # free of effects, and nothing more is known


@attrs.frozen
class Value:
    """An expression's kind, with an axis where it has one."""

    kind: Kind
    axis: int = 0

    @property
    def is_uniform(self) -> bool:
        """Whether all threads of a block see the same."""
        return self.kind in (Kind.BLOCK, Kind.EXTENT, Kind.UNIFORM)


OTHER, UNIFORM = Value(Kind.OTHER), Value(Kind.UNIFORM)
_CALLS: Mapping[str, Kind] = {
    "_rk_thread_idx": Kind.THREAD,
    "_rk_block_idx": Kind.BLOCK,
    "_rk_block_dim": Kind.EXTENT,
    "_rk_grid_dim": Kind.UNIFORM,
}
_UNIFORM_CALLS = ("_rk_gridsize_1",)
ARRAYS = ("_rk_const_array_like", "_rk_local_array")  # a constant, and a thread's own: making them has no effects
SAME_IN_BLOCK = frozenset((*_UNIFORM_CALLS, *(name for name, kind in _CALLS.items() if Value(kind).is_uniform)))
"""Calls that return the same for all threads of a block."""
_UNIFORM_BUILTINS = (min, max, len, int)
_PURE_BUILTINS = (min, max, len, int, float, abs, bool)


class Prefix:
    """What is known about names in the straight-line beginning of a kernel.

    Args:
        names: What its global names stand for.
        parameters: Its parameters that are never assigned to.
    """

    def __init__(self, names: Names, parameters: frozenset[str]) -> None:
        self.names = names
        self.parameters = parameters
        self.known: dict[str, Value] = {}

    def value(self, node: ast.expr) -> Value | None:
        """Return what an expression is; None where it may have effects, raise, or read memory."""
        place = self._place(node)
        if place is not None:
            return place
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Constant):
            return UNIFORM if isinstance(node.value, int | float) else OTHER
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Attribute):
            return UNIFORM if node.attr in EXTENTS and self._is_argument(node.value) else None
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.BinOp | ast.UnaryOp):
            return self._compute(node)
        return None

    def _name(self, name: str) -> Value | None:
        if name in self.known:
            return self.known[name]
        if name in self.parameters:
            return UNIFORM
        known = self.names.value(name)
        return UNIFORM if isinstance(known, int | float | np.integer | np.floating) else None

    def _is_argument(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id in self.parameters

    def _call(self, node: ast.Call) -> Value | None:
        if not isinstance(node.func, ast.Name) or node.keywords:
            return None
        name = node.func.id
        if name in _CALLS:
            axis = node.args[1]
            assert isinstance(axis, ast.Constant)
            assert isinstance(axis.value, int)
            return Value(_CALLS[name], axis.value)
        if name in AXES_OF_GRID:
            return Value(Kind.PLACE, 0) if name == "_rk_grid_1" else Value(Kind.GRID)
        if name in _UNIFORM_CALLS:
            return UNIFORM
        if name in ARRAYS:
            return OTHER
        function = self.names.value(name)
        if any(function is known for known in _UNIFORM_BUILTINS):
            return self._joined(node.args)
        return None

    def _subscript(self, node: ast.Subscript) -> Value | None:
        if not isinstance(node.slice, ast.Constant) or not isinstance(node.slice.value, int):
            return None
        owner = self.value(node.value)
        if owner is not None and owner.kind is Kind.GRID and 0 <= node.slice.value <= 2:
            return Value(Kind.PLACE, node.slice.value)
        is_shape = isinstance(node.value, ast.Attribute) and node.value.attr == "shape"
        return UNIFORM if is_shape and owner is UNIFORM else None

    def _compute(self, node: ast.BinOp | ast.UnaryOp) -> Value | None:
        if isinstance(node, ast.UnaryOp):
            return self._joined([node.operand]) if isinstance(node.op, ast.USub | ast.UAdd) else None
        if isinstance(node.op, ast.FloorDiv | ast.Mod):
            divisor = self.names.evaluate(node.right)
            if not isinstance(divisor, int) or divisor == 0:
                return None  # may raise
        elif not isinstance(node.op, ast.Add | ast.Sub | ast.Mult):
            return None
        return self._joined([node.left, node.right])

    def _joined(self, nodes: list[ast.expr]) -> Value | None:
        values = [self.value(node) for node in nodes]
        if any(value is None for value in values):
            return None
        return UNIFORM if all(value is not None and value.is_uniform for value in values) else OTHER

    def _place(self, node: ast.expr) -> Value | None:
        """Recognise threadIdx + blockIdx * blockDim, in any order."""
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add):
            return None
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if not isinstance(one, ast.Name | ast.Call):  # nothing else is an index: long sums are not looked into
                continue
            thread = self.value(one)
            if thread is None or thread.kind is not Kind.THREAD or not isinstance(other, ast.BinOp):
                continue
            if isinstance(other.op, ast.Mult):
                factors = [self.value(other.left), self.value(other.right)]
                wanted = {Value(Kind.BLOCK, thread.axis), Value(Kind.EXTENT, thread.axis)}
                if set(factors) == wanted:
                    return Value(Kind.PLACE, thread.axis)
        return None


def is_pure(node: ast.expr, names: Names) -> bool:
    """Whether an expression can be left out where its value does not matter: it has no effects and does not raise."""
    for inner in nodes_of(node):
        if isinstance(inner, ast.Call):
            name = inner.func.id if isinstance(inner.func, ast.Name) else ""
            function: Any = names.value(name) if name else UNKNOWN
            ours = name in _CALLS or name in AXES_OF_GRID or name in _UNIFORM_CALLS or name in SHIFTS
            if not ours and not any(function is known for known in _PURE_BUILTINS):
                return False
        elif isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.FloorDiv | ast.Mod):
            divisor = names.evaluate(inner.right)
            if not isinstance(divisor, int) or divisor == 0:
                return False
        elif isinstance(inner, ast.NamedExpr | ast.Lambda | ast.ListComp | ast.Pow):
            return False
    return True
