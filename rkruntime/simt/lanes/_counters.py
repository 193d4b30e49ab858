"""Which variables count the turns of which loops, so that what later turns load can be asked for beforehand. Pure."""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numba.core import ir

__all__ = ("counters",)


def counters(blocks: Mapping[int, Any]) -> dict[str, str]:
    """Return for each variable that is what an iterator is at the iterator's variable."""
    assigned: dict[str, list[Any]] = {}
    for block in blocks.values():
        for inst in block.body:
            if isinstance(inst, ir.Assign):
                assigned.setdefault(inst.target.name, []).append(inst.value)
    once = {name: values[0] for name, values in assigned.items() if len(values) == 1}

    def source(name: str) -> Any:
        """Return what a variable is a copy of, if that is an expression."""
        value = once.get(name)
        while isinstance(value, ir.Var):
            value = once.get(value.name)
        return value

    found = {}
    for name in once:
        item = source(name)
        if isinstance(item, ir.Expr) and item.op == "pair_first":
            step = source(item.value.name)
            if isinstance(step, ir.Expr) and step.op == "iternext":
                found[name] = step.value.name
    return found
