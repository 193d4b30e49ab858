"""Where arrays come from: a kernel's parameter, shared memory, a thread's own memory. Pure."""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numba.core import ir

__all__ = ("origins",)


def origins(blocks: Mapping[int, Any], callee_of: Callable[[Any], Any]) -> dict[str, Any]:
    """Return for each variable that has one the parameter's number, or the function whose call made it.

    Args:
        blocks: Numba's, by label.
        callee_of: What a call calls.
    """
    found: dict[str, list[Any]] = {}
    for block in blocks.values():
        for inst in block.body:
            if isinstance(inst, ir.Assign):
                found.setdefault(inst.target.name, []).append(inst.value)
    known: dict[str, Any] = {}
    for name, values in found.items():
        seen = {name}
        while len(values) == 1 and isinstance(values[0], ir.Var) and values[0].name not in seen:
            seen.add(values[0].name)
            values = found.get(values[0].name, [])
        if len(values) != 1:
            continue
        (value,) = values
        if isinstance(value, ir.Arg):
            known[name] = value.index
        elif isinstance(value, ir.Expr) and value.op == "call":
            known[name] = callee_of(value.func)
    return known
