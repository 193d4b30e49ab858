"""Finding out how a kernel with barriers is cut: its segments, what outlives one, and what cannot be lowered so.

What differs among a block's vectors and is used in more than one segment is kept in between, one for each vector. So is
what is the same for all, but changes in a branch or loop of a segment, which each vector goes through by itself.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from typing import Any

from numba.core import ir

from rkruntime.simt._refused import refused_at
from rkruntime.simt._stubs import activemask, syncthreads
from rkruntime.simt.lanes._ends import with_own_ends
from rkruntime.simt.lanes._liveness import assigned_in, live_in
from rkruntime.simt.lanes._recipes import recipes
from rkruntime.simt.lanes._segments import Segment, Uncuttable, segments_of
from rkruntime.simt.lanes._shapes import EFFECTS, Shape, widest
from rkruntime.simt.lanes._shared import BARRIERS, REDUCING
from rkruntime.simt.lanes._warp_lower import WarpLower
from rkruntime.simt.lanes._warps import WARPS

__all__ = ("CutLower",)

STORES = (ir.SetItem, ir.StaticSetItem, ir.SetAttr, ir.Print)
MEETINGS = (*BARRIERS, *(one for one in WARPS if one is not activemask))
MOST_KEPT_BYTES = 512  # of a thread's own arrays, of which a block may have 1,024 times as many on the stack
NOWHERE = -1  # the segment of what only those run who left


class CutLower(WarpLower):
    """Finds out how a kernel's body is cut at its barriers, and whether that can be lowered."""

    _segments: dict[int, Segment]

    def analyse(self) -> None:
        """Find out where to cut, and what outlives a segment."""
        self.blocks = dict(self.blocks.items())
        self.barriers, self.warps = self._cut()
        self._find_segments()
        while changing := self._changing():
            self.apart |= changing
            self._find_segments()
        self._check_warps()
        self._check_leaving()
        self._check_own()

    def _find_segments(self) -> None:
        while True:
            super().analyse()
            try:
                self._segments = segments_of(self.shapes.leaving, self.shapes.regions)
                break
            except Uncuttable as uncuttable:
                copied = with_own_ends(self.blocks, self.shapes.leaving)
                if copied is None:
                    raise refused_at(self.blocks[uncuttable.label].terminator.loc, uncuttable.why) from None
                self.blocks = copied
        self._segment_of = {label: one for one in self._segments.values() for label in one.labels}
        self._live = live_in(self.blocks, self.flow.successors)
        self._places = self._where_used()
        self._recipes = recipes(self.blocks, self._divergent, self._differs, self._callee)
        ends = [one.last for one in self._segments.values() if one.last is not None]
        self._once = {last: self._copies(last) for last in ends}

    def _cut(self) -> tuple[frozenset[int], frozenset[int]]:
        """End a block at each barrier, and behind each warp operation; return those blocks."""
        barriers, warps = set[int](), set[int]()
        for label in list(self.blocks):
            block, here = self.blocks[label], label
            while True:
                at = next((k for k, inst in enumerate(block.body) if self._calls(inst) in MEETINGS), None)
                if at is None:
                    break
                callee = self._calls(block.body[at])
                kept = at if callee is syncthreads else at + 1
                rest = ir.Block(block.scope, block.body[at].loc)
                rest.body = block.body[at + 1 :]
                new = max(self.blocks) + 1
                first = ir.Block(block.scope, block.loc)
                first.body = [*block.body[:kept], ir.Jump(new, block.body[at].loc)]
                self.blocks[here] = first
                (barriers if callee in BARRIERS else warps).add(here)
                self.blocks[new] = rest
                block, here = rest, new
        return frozenset(barriers), frozenset(warps)

    def _differs(self, name: str) -> bool:
        return widest(self.shapes.form(name)) is not Shape.UNIFORM

    # What outlives a segment

    def _where_used(self) -> dict[str, set[int]]:
        """Return the segments, by their first blocks, that each variable is used or assigned in.

        Blocks that only those run who left are none's; what they read is used where they leave.
        """
        places: dict[str, set[int]] = {}
        for label, block in self.blocks.items():
            segment = self._segment_of.get(label)
            for name in self._names_in(block):
                places.setdefault(name, set()).add(NOWHERE if segment is None else segment.first)
        for label, out in self.shapes.leaving.ways:
            region = next(one for one in self.shapes.regions if out in one)
            used = frozenset(name for one in region for name in self._names_in(self.blocks[one]))
            for name in self._live[out] & used:
                places[name].add(self._segment_of[label].first)
        return places

    def _names_in(self, block: Any) -> list[str]:
        return [var.name for inst in block.body if not isinstance(inst, ir.Del) for var in inst.list_vars()]

    def _is_kept(self, name: str) -> bool:
        """Whether a variable differs among vectors and is used in several segments."""
        return len(self._places.get(name, ())) > 1 and self._differs(name)

    def _outlives(self, first: str) -> bool:
        """Whether an array of a thread's own is used in several segments."""
        names = [name for name, one in self._own.items() if one == first]
        return len(frozenset[int]().union(*(self._places[name] for name in names))) > 1

    def _check_own(self) -> None:
        arrays = sorted(first for first in set(self._own.values()) if self._outlives(first))
        kept = sum(map(self._own_bytes, arrays))
        if kept > MOST_KEPT_BYTES:
            why = f"each thread has {kept} bytes of arrays that it needs on both sides of a barrier"
            raise refused_at(self._definition(arrays[0]).loc, why)

    def _definition(self, name: str) -> Any:
        for block in self.blocks.values():
            for inst in block.body:
                if isinstance(inst, ir.Assign) and inst.target.name == name:
                    return inst
        return None

    def _brought(self, segment: Segment) -> list[str]:
        """Return the variables that a segment has from those before it."""
        here = {name for name, where in self._places.items() if segment.first in where}
        return sorted(name for name in self._live[segment.first] & here if self._is_kept(name))

    def _left_behind(self, segment: Segment) -> list[str]:
        """Return the variables that a segment assigns for those after it."""
        ways = () if segment.last is None else self.flow.successors[segment.last]
        after = frozenset[str]().union(*(self._live[one] for one in ways))
        assigned = assigned_in([self.blocks[label] for label in segment.labels])
        return sorted(name for name in after & assigned if self._is_kept(name) and name not in self._recipes)

    def _copies(self, last: int) -> tuple[Any, ...]:
        """Return the assignments at the end of a segment that must happen once, not once for each vector.

        They carry what is the same for the block to where ways meet: a counter on its way around a loop.
        """
        return tuple(inst for inst in self.blocks[last].body if self._carries(inst))

    def _comes_after(self, label: int, inst: Any) -> bool:
        return any(one is inst for one in self._once.get(label, ()))

    def _leaves(self, segment: Segment) -> bool:
        """Whether threads may leave in a segment."""
        return not self.shapes.leaving.branches.isdisjoint(segment.labels)

    def _carries(self, inst: Any) -> bool:
        if not isinstance(inst, ir.Assign) or not isinstance(inst.value, ir.Var):
            return False
        name = inst.target.name
        shared = len(self._places[name]) > 1
        return shared and self.shapes.form(name) is Shape.UNIFORM and self.shapes.is_reassigned(name)

    def _changing(self) -> frozenset[str]:
        """Return what is the same for the block and would change with each vector of it that runs a segment."""
        found = set[str]()
        for segment in self._segments.values():
            if self._is_of_block(segment):
                continue
            for label in segment.labels:
                found.update(inst.target.name for inst in self.blocks[label].body if self._changes(label, inst))
        return frozenset(found)

    def _changes(self, label: int, inst: Any) -> bool:
        if not isinstance(inst, ir.Assign) or widest(self.shapes.form(inst.target.name)) is not Shape.UNIFORM:
            return False
        name, value = inst.target.name, inst.value
        if isinstance(value, ir.Expr) and value.op == "iternext" and len(self._places[value.value.name]) > 1:
            raise refused_at(inst.loc, "a loop goes on from one side of a barrier to the other")
        crosses = len(self._places[name]) > 1 and self.shapes.is_reassigned(name)
        return crosses and not self._comes_after(label, inst)

    def _is_of_block(self, segment: Segment) -> bool:
        """Whether a segment only computes what is the same for the block."""
        if self._leaves(segment):
            return False
        for label in segment.labels:
            for inst in self.blocks[label].body:
                if isinstance(inst, STORES) or self._calls(inst) in EFFECTS or self._calls(inst) in REDUCING:
                    return False
                if isinstance(inst, ir.Assign) and widest(self.shapes.form(inst.target.name)) is not Shape.UNIFORM:
                    return False
        return True
