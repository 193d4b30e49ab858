"""Where arrays come from: a kernel's parameter, shared memory, a thread's own memory. Pure."""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numba.core import ir

__all__ = ("definitions", "origins")


def origins(blocks: Mapping[int, Any], callee_of: Callable[[Any], Any]) -> dict[str, Any]:
    """Return for each variable that has one the parameter's number, or the function whose call made it.

    Args:
        blocks: Numba's, by label.
        callee_of: What a call calls.
    """
    known: dict[str, Any] = {}
    for name, (_, value) in definitions(blocks).items():
        if isinstance(value, ir.Arg):
            known[name] = value.index
        elif isinstance(value, ir.Expr) and value.op == "call":
            known[name] = callee_of(value.func)
    return known


def definitions(blocks: Mapping[int, Any]) -> dict[str, tuple[str, Any]]:
    """Return for each variable that is assigned once, as all it is another name for are, its first name and value.

    Args:
        blocks: Numba's, by label.
    """
    found: dict[str, list[Any]] = {}
    for block in blocks.values():
        for inst in block.body:
            if isinstance(inst, ir.Assign):
                found.setdefault(inst.target.name, []).append(inst.value)
    once = {name: values[0] for name, values in found.items() if len(values) == 1}
    first_of = {}
    for name in once:
        first, seen = name, {name}
        while isinstance(value := once.get(first), ir.Var) and value.name not in seen:
            first = value.name
            seen.add(first)
        if value is not None:
            first_of[name] = first, value
    return first_of
