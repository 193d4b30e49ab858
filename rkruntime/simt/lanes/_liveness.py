"""Which variables are alive where a block begins: they may be read before they are assigned again.

Pure. The textbook's backward dataflow (Aho, Lam, Sethi, Ullman, "Compilers", 9.2.5) on numba's code.
"""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from numba.core import ir

__all__ = ("assigned_in", "changed_by", "live_in")


def live_in(blocks: Mapping[int, Any], successors: Mapping[int, Sequence[int]]) -> dict[int, frozenset[str]]:
    """Return for each block the variables that are alive at its beginning.

    Args:
        blocks: Numba's, by label.
        successors: Where each may go on.
    """
    read = {label: _read_first(block) for label, block in blocks.items()}
    assigned = {label: assigned_in([block]) for label, block in blocks.items()}
    found: dict[int, frozenset[str]] = dict.fromkeys(blocks, frozenset())
    changed = True
    while changed:
        changed = False
        for label in sorted(blocks, reverse=True):
            after = frozenset[str]().union(*(found[one] for one in successors[label]))
            new = read[label] | (after - assigned[label])
            if new != found[label]:
                found[label], changed = new, True
    return found


def assigned_in(blocks: Sequence[Any]) -> frozenset[str]:
    """Return the variables that blocks assign, and the iterators that they move on."""
    return changed_by(inst for block in blocks for inst in block.body)


def changed_by(statements: Iterable[Any]) -> frozenset[str]:
    """Return the variables that statements assign, and the iterators that they move on."""
    names = set()
    for inst in statements:
        if isinstance(inst, ir.Assign):
            names.add(inst.target.name)
            value: Any = inst.value
            if _steps(value):
                names.add(value.value.name)
    return frozenset(names)


def _read_first(block: Any) -> frozenset[str]:
    """Return the variables that a block reads before it assigns them."""
    read: set[str] = set()
    assigned: set[str] = set()
    for inst in block.body:
        if isinstance(inst, ir.Del):
            continue
        target = inst.target.name if isinstance(inst, ir.Assign) else None
        used = inst.value.list_vars() if isinstance(inst, ir.Assign) and hasattr(inst.value, "list_vars") else ()
        if isinstance(inst, ir.Assign) and isinstance(inst.value, ir.Var):
            used = (inst.value,)
        elif not isinstance(inst, ir.Assign):
            used = inst.list_vars()
        read |= {var.name for var in used} - assigned
        if target is not None:
            assigned.add(target)
    return frozenset(read)


def _steps(value: Any) -> bool:
    return isinstance(value, ir.Expr) and value.op == "iternext"
