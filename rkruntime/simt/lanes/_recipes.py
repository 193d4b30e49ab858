"""Which variables are better computed again than kept from one segment to the next: indices, and sums of them.

A thread's index costs nothing where it is needed, and LLVM knows what it can be; one that comes from memory is any
number. Pure.
"""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

from numba.core import ir

from rkruntime.simt import _stubs

__all__ = ("recipes",)

INDICES: frozenset[Any] = frozenset(
    (
        _stubs.thread_idx,
        _stubs.thread_idx_3,
        _stubs.grid_1,
        _stubs.grid_2,
        _stubs.grid_3,
        _stubs.place_x,
        _stubs.place_y,
        _stubs.place_z,
        _stubs.laneid,
    )
)
PARTS = ("exhaust_iter", "static_getitem", "getattr", "cast")
SUMS = ("add", "sub", "mul")
LONGEST = 24


def recipes(
    blocks: Mapping[int, Any],
    divergent: Set[int],
    differs: Callable[[str], bool],
    callee_of: Callable[[Any], Any],
) -> dict[str, tuple[Any, ...]]:
    """Return for each variable that can be computed again the assignments that do it, in order.

    Args:
        blocks: Numba's, by label.
        divergent: Those that threads run at different times: what they assign is not looked at.
        differs: Whether a variable differs among threads.
        callee_of: What a call calls.
    """
    found: dict[str, list[tuple[int, Any]]] = {}
    for label, block in blocks.items():
        for inst in block.body:
            if isinstance(inst, ir.Assign):
                found.setdefault(inst.target.name, []).append((label, inst))
    once = {name: places[0] for name, places in found.items() if len(places) == 1}
    made: dict[str, tuple[Any, ...] | None] = {}

    def recipe(name: str) -> tuple[Any, ...] | None:
        """Return how to compute a variable; nothing has to be done for what is the same for the block."""
        if name not in made:
            made[name] = None  # it may not need itself
            made[name] = compute(name)
        return made[name]

    def compute(name: str) -> tuple[Any, ...] | None:
        if name not in once:
            return None
        label, inst = once[name]
        if not differs(name):
            return ()
        needed = None if label in divergent else _operands(inst.value, callee_of)
        parts = None if needed is None else [recipe(one) for one in needed]
        if parts is None or None in parts:
            return None
        chain = dict.fromkeys(one for part in parts if part is not None for one in part)
        return (*chain, inst) if len(chain) < LONGEST else None

    return {name: chain for name in once if differs(name) and (chain := recipe(name)) is not None}


def _operands(value: Any, callee_of: Callable[[Any], Any]) -> list[str] | None:
    """Return what an expression is computed from; None where it is more than an index or a sum."""
    if isinstance(value, ir.Var):
        return [value.name]
    if not isinstance(value, ir.Expr):
        return None
    if value.op == "call":
        callee = callee_of(value.func)
        return [] if callee.__hash__ is not None and callee in INDICES else None
    if value.op in PARTS:
        return [value.value.name]
    if value.op == "build_tuple":
        return [one.name for one in value.items]
    if value.op == "binop" and value.fn.__name__ in SUMS:
        return [value.lhs.name, value.rhs.name]
    return None
