"""Which copies only threads that leave a loop have to make: `count.3 = count.1` before a branch that goes round or out.

Numba puts the copies that stand for phis before the branch. A number that is read after a loop is then copied each
turn, twice where two conditions end the loop. Pure.
"""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from numba.core import ir

from rkruntime.simt.lanes._flow import Flow
from rkruntime.simt.lanes._liveness import changed_by, live_in

__all__ = ("LateCopy", "late_copies")


@attrs.frozen
class LateCopy:
    """A copy that may be made as late as at the branch, and on one way on alone.

    Args:
        inst: The assignment.
        out: That way: out of the loop.
    """

    inst: Any
    out: int


def late_copies(blocks: Mapping[int, Any], flow: Flow) -> dict[int, tuple[LateCopy, ...]]:
    """Return for blocks that end with going round a loop or out of it the copies that nobody reads who goes round.

    Args:
        blocks: Numba's, by label.
        flow: Their control flow.
    """
    live = live_in(blocks, flow.successors)
    return {label: found for label in blocks if (found := tuple(_late_in(blocks[label].body, flow, label, live)))}


def _late_in(body: Sequence[Any], flow: Flow, label: int, live: Mapping[int, frozenset[str]]) -> Iterator[LateCopy]:
    loop = flow.innermost_loop(label)
    if loop is None:
        return
    inside = [way for way in flow.successors[label] if way in loop.body]
    outside = [way for way in flow.successors[label] if way not in loop.body]
    if len(inside) != 1 or len(outside) != 1:
        return
    for k, inst in enumerate(body):
        is_copy = isinstance(inst, ir.Assign) and isinstance(inst.value, ir.Var)
        if is_copy and inst.target.name not in live[inside[0]] and not _touched(body[k + 1 :], inst):
            yield LateCopy(inst, outside[0])


def _touched(later: Sequence[Any], copy: Any) -> bool:
    """Whether statements mention what is copied to, or change what is copied."""
    statements = [inst for inst in later if not isinstance(inst, ir.Del)]
    mentioned = {var.name for inst in statements for var in inst.list_vars()}
    return copy.target.name in mentioned or copy.value.name in changed_by(statements)
