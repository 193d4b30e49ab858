"""Giving threads that leave the others a copy of their own of what both run in the end.

Threads that skip a piece of code with a barrier in it, and reach none any more, run to their end at once. If the others
come to the same code later, they must not meet there. So those that leave get a copy of it. Pure.
"""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from numba.core import ir

from rkruntime.simt.lanes._leaving import Leaving

__all__ = ("with_own_ends",)

MOST_COPIED = 2_000  # statements; LLVM's time grows with them


def with_own_ends(blocks: Mapping[int, Any], leaving: Leaving) -> dict[int, Any] | None:
    """Return blocks in which those who leave run no code that the others run too, but for the end of all.

    Args:
        blocks: Numba's, by label.
        leaving: Their control flow, and where threads leave.

    Returns:
        None where there is no such code, or too much.
    """
    staying = leaving.together.reachable([leaving.flow.entry], set())
    gone = frozenset[int]().union(*leaving.gone)
    both = {label for label in gone & staying if leaving.flow.successors[label]}
    if not both or sum(len(blocks[label].body) for label in gone) > MOST_COPIED:
        return None
    first = max(blocks) + 1
    new = {label: first + k for k, label in enumerate(sorted(gone))}
    made = dict(blocks)
    for label in sorted(gone):
        made[new[label]] = _leading_to(blocks[label], new)
    for branching, out in sorted(leaving.ways):
        made[branching] = _leading_to(made[branching], {out: new[out]})
    return made


def _leading_to(block: Any, new: Mapping[int, int]) -> Any:
    """Return a copy of a block that goes on at other ones."""
    made = ir.Block(block.scope, block.loc)
    end = copy.copy(block.terminator)
    if isinstance(end, ir.Jump):
        end.target = new.get(end.target, end.target)
    elif isinstance(end, ir.Branch):
        end.truebr, end.falsebr = (new.get(one, one) for one in (end.truebr, end.falsebr))
    made.body = [*block.body[:-1], end]
    return made
