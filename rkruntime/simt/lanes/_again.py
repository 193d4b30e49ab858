"""What a loop reads anew in each turn, though it was read before and nothing was written since.

LLVM knows that of a loop over one thread. Under a mask, whose lanes differ from turn to turn, it reads again. Pure.
"""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from functools import partial
from types import BuiltinFunctionType
from typing import Any

from numba.core import ir, types

from rkruntime.simt import _stubs
from rkruntime.simt.lanes._flow import Flow
from rkruntime.simt.lanes._origins import definitions

__all__ = ("without_reading_again",)

WRITES = (ir.SetItem, ir.StaticSetItem, ir.SetAttr, ir.Print)
READS_ONLY = (_stubs.interrupt, _stubs.strips, _stubs.strip, _stubs.counted)
Place = tuple[str, str]


def without_reading_again(
    blocks: Mapping[int, Any],
    flow: Flow,
    typemap: Mapping[str, Any],
    callee_of: Callable[[Any], Any],
    meetings: Set[int] = frozenset(),
) -> dict[int, Any]:
    """Return blocks whose loops copy numbers in arrays that were read before them.

    Args:
        blocks: Numba's, by label.
        flow: Their control flow.
        typemap: Numba's types of variables.
        callee_of: What a call calls.
        meetings: Blocks that end where threads wait for one another, who may have written.
    """
    known = definitions(blocks)
    reads: dict[Place, list[tuple[int, int, Any]]] = {}
    for label, block in blocks.items():
        for k, inst in enumerate(block.body):
            place = _place(inst, known)
            if place is not None and isinstance(typemap[inst.target.name], types.Number | types.Boolean):
                reads.setdefault(place, []).append((label, k, inst))
    may_write = partial(_may_write, typemap, callee_of)
    made = dict(blocks)
    for same in reads.values():
        for label, k, inst in same:
            for before, at, first in same:
                if (
                    _is_before(flow, before, label)
                    and typemap[first.target.name] == typemap[inst.target.name]
                    and not _writes_between(blocks, flow, (before, at), label, may_write, meetings)
                ):
                    made[label] = _with(made[label], k, ir.Assign(first.target, inst.target, inst.loc))
                    break
    return made


def _place(inst: Any, known: Mapping[str, tuple[str, Any]]) -> Place | None:
    """Return the names of the array and index that a statement reads, where they and its target are assigned once."""
    if not isinstance(inst, ir.Assign) or not isinstance(inst.value, ir.Expr) or inst.value.op != "getitem":
        return None
    names = (inst.value.value.name, inst.value.index.name)
    if inst.target.name not in known or any(name not in known for name in names):
        return None
    return known[names[0]][0], known[names[1]][0]


def _is_before(flow: Flow, before: int, label: int) -> bool:
    """Whether every way to a block passes another, which is in none of its loops."""
    loops = [loop for loop in flow.loops.values() if label in loop.body]
    return bool(loops) and before in flow.dominators[label] and not any(before in loop.body for loop in loops)


def _writes_between(
    blocks: Mapping[int, Any],
    flow: Flow,
    first: tuple[int, int],
    label: int,
    may_write: Callable[[Any], bool],
    meetings: Set[int],
) -> bool:
    """Whether anything may be written after a block's statement and before, or while, another is run."""
    before, at = first
    between = flow.reachable(flow.successors[before], {before}) & flow.leading_to({label})
    if meetings & {before, *between}:
        return True
    bodies = [blocks[before].body[at + 1 :], *(blocks[one].body for one in between)]
    return any(may_write(inst) for body in bodies for inst in body)


def _may_write(typemap: Mapping[str, Any], callee_of: Callable[[Any], Any], inst: Any) -> bool:
    if isinstance(inst, WRITES):
        return True
    if not isinstance(inst, ir.Assign) or not isinstance(inst.value, ir.Expr):
        return False
    if inst.value.op == "inplace_binop":  # of a part of an array, say
        return not isinstance(typemap[inst.value.lhs.name], types.Number | types.Boolean)
    if inst.value.op != "call":
        return False
    callee = callee_of(inst.value.func)
    plain = callee in (range, int, float, bool, complex) or isinstance(callee, types.NumberClass)
    if isinstance(callee, BuiltinFunctionType):
        plain = callee.__module__ in ("builtins", "math", "cmath")  # those of operator store, some of them
    return not plain and callee not in READS_ONLY


def _with(block: Any, at: int, inst: Any) -> Any:
    changed = ir.Block(block.scope, block.loc)
    body: Sequence[Any] = block.body
    changed.body = [*body[:at], inst, *body[at + 1 :]]
    return changed
