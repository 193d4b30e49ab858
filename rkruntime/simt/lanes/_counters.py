"""Which variables count the turns of which loops, so that what later turns load can be asked for beforehand. Pure."""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numba.core import ir

from rkruntime.simt.lanes._origins import definitions

__all__ = ("counters",)


def counters(blocks: Mapping[int, Any]) -> dict[str, str]:
    """Return for each variable that is what an iterator is at the iterator's variable."""
    known = {name: value for name, (_, value) in definitions(blocks).items()}
    found = {}
    for name, item in known.items():
        if isinstance(item, ir.Expr) and item.op == "pair_first":
            step = known.get(item.value.name)
            if isinstance(step, ir.Expr) and step.op == "iternext":
                found[name] = step.value.name
    return found
