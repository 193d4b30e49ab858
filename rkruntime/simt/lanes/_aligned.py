"""What vectors that begin at multiples of their width in a row make of a thread's index along it. Pure.

The threads of such a vector have the same `threadIdx.x // 32`, all or none of them are below 64, and `threadIdx.x % 32`
counts up along them, if 32 and 64 are multiples of the width.
"""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numba.core import ir

from rkruntime.simt import _stubs

__all__ = ("Aligned",)

WARP = 32
BELOW, UP_TO = ("lt", "ge"), ("le", "gt")


class Aligned:
    """Finds indices along a row among a function's variables.

    Args:
        blocks: Numba's, by label.
        typemap: Types of the variables.
        width: Threads of a vector; 0 where vectors begin anywhere.
        in_rows: Whether a vector's threads are in one row.
    """

    def __init__(self, blocks: Mapping[int, Any], typemap: Any, width: int, *, in_rows: bool) -> None:
        self._typemap, self._width, self.in_rows = typemap, width, in_rows
        found: dict[str, list[Any]] = {}
        for block in blocks.values():
            for inst in block.body:
                if isinstance(inst, ir.Assign):
                    found.setdefault(inst.target.name, []).append(inst.value)
        self._values = {name: values[0] for name, values in found.items() if len(values) == 1}

    @property
    def is_warp(self) -> bool:
        """Whether a vector is a warp."""
        return self._width == WARP

    def is_same(self, operator: str, left: Any, right: Any) -> bool:
        """Whether an operator gives the threads of a vector the same."""
        number = self._number(right)
        if number is None or number < 0 or not self._is_index(left):
            return False
        if operator == "rshift":
            return number < WARP and 2**number % self._width == 0
        bound = number + 1 if operator in UP_TO else number
        return operator in (*BELOW, *UP_TO, "floordiv") and bound > 0 and bound % self._width == 0

    def still_counts(self, operator: str, left: Any, right: Any) -> bool:
        """Whether an operator gives the threads of a vector numbers that count up, as the index does."""
        number = self._number(right)
        if number is None or number <= 0 or not self._is_index(left):
            return False
        if operator == "and_":
            return (number + 1) & number == 0 and (number + 1) % self._width == 0
        return operator == "mod" and number % self._width == 0

    def _number(self, var: Any) -> int | None:
        """Return the constant that a variable is."""
        value = getattr(self._typemap[var.name], "literal_value", None)
        if value is None:
            given = self._values.get(var.name)
            value = given.value if isinstance(given, ir.Const | ir.Global | ir.FreeVar) else None
        return value if isinstance(value, int) else None

    def _is_index(self, var: Any) -> bool:
        """Whether a variable is the thread's index along x."""
        if not self._width or not self.in_rows:
            return False
        seen: set[str] = set()
        while isinstance(var, ir.Var) and var.name not in seen:
            seen.add(var.name)
            value = self._values.get(var.name)
            if isinstance(value, ir.Expr) and value.op == "call":
                return self._called(value.func) is _stubs.thread_idx and self._number(value.args[1]) == 0
            var = value.value if isinstance(value, ir.Expr) and value.op == "cast" else value
        return False

    def _called(self, func: Any) -> Any:
        called = self._typemap[func.name]
        return getattr(called, "typing_key", called)
