"""Where all lanes meet again that part at a branch: who goes on there is known at the branch.

Put together from where each way ends, a mask costs some instructions a way, and in loops each turn waits for them.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

import attrs
from numba.core import ir

from rkruntime.simt.lanes._flow import Flow

__all__ = ("NONE", "Joins", "joins_of", "with_one_end")


@attrs.frozen
class Joins:
    """What is known.

    Args:
        at: For each branch, the block where all its lanes will meet and no others, unless a branch before it tells.
        told: The ways to such blocks, along which masks need not go.
    """

    at: Mapping[int, int]
    told: frozenset[tuple[int, int]]


NONE = Joins({}, frozenset())


def joins_of(flow: Flow, branches: Iterable[int], labels: Set[int]) -> Joins:
    """Return where the lanes of branches meet.

    Args:
        flow: The control flow.
        branches: Blocks at whose ends lanes part.
        labels: The blocks that have masks.
    """
    between: dict[int, frozenset[int]] = {}
    at: dict[int, int] = {}
    for branch in branches:
        meeting = flow.meeting_point(branch)
        if meeting is None or meeting not in labels:
            continue
        inside = flow.reachable(flow.successors[branch], {meeting})
        if branch not in inside and inside <= labels and all(branch in flow.dominators[one] for one in inside):
            at[branch], between[branch] = meeting, inside
    told = {
        (one, meeting)
        for branch, meeting in at.items()
        for one in (branch, *between[branch])
        if meeting in flow.successors[one]
    }
    outermost = {
        branch: meeting
        for branch, meeting in at.items()
        if not any(branch in between[other] for other, its in at.items() if its == meeting)
    }
    return Joins(outermost, frozenset(told))


def with_one_end(blocks: Any) -> dict[int, Any]:
    """Return the blocks with one return for all: where threads that return by different ways meet."""
    made = dict(blocks.items())
    returns = [label for label, block in made.items() if isinstance(block.terminator, ir.Return)]
    if len(returns) < 2:
        return made
    end = max(made) + 1
    for label in returns:
        block = made[label]
        jumping = made[label] = ir.Block(block.scope, block.loc)
        jumping.body = [*block.body[:-1], ir.Jump(end, block.terminator.loc)]
        last = block
    made[end] = ir.Block(last.scope, last.loc)
    made[end].body = [last.terminator]
    return made
