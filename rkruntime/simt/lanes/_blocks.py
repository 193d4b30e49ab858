"""Emitting a kernel with barriers for a whole block: each segment between two is a loop over the block's vectors.

Neighbouring threads along x are a vector; a row whose length is no multiple of its width ends with one that is masked.
What differs among a block's vectors and is used in more than one segment is kept in between, one for each vector.
Branches and loops around barriers are decided once for the block.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir as llvm
from numba.core import cgutils, ir

from rkruntime.simt import _state
from rkruntime.simt._context import LoopContext
from rkruntime.simt._numba import types
from rkruntime.simt.lanes._liveness import assigned_in, live_in
from rkruntime.simt.lanes._lower import LanesLower, LanesRefused
from rkruntime.simt.lanes._ramps import first_lanes
from rkruntime.simt.lanes._recipes import recipes
from rkruntime.simt.lanes._reducing import Tally
from rkruntime.simt.lanes._segments import Segment, Uncuttable, segments_of
from rkruntime.simt.lanes._shapes import EFFECTS, Shape, callee_of, is_uniform, widest
from rkruntime.simt.lanes._shared import BARRIERS, REDUCING, block_array
from rkruntime.simt.lanes._slots import Slot

__all__ = ("BlockLower",)

WORD, INDEX = llvm.IntType(64), llvm.IntType(32)
STORES = (ir.SetItem, ir.StaticSetItem, ir.SetAttr, ir.Print)


class BlockLower(LanesLower):
    """Lowers a kernel's body for all threads of a block; the context is that of the first."""

    def analyse(self) -> None:
        """Find out where to cut, and what outlives a segment."""
        self.blocks = dict(self.blocks.items())
        barriers = self._cut()
        super().analyse()
        try:
            self._segments = segments_of(self.flow, barriers, self._divergent)
        except Uncuttable as uncuttable:
            raise LanesRefused(str(uncuttable)) from None
        self._segment_of = {label: one for one in self._segments.values() for label in one.labels}
        self._places = self._where_used()
        self._live = live_in(self.blocks, self.flow.successors)
        self._recipes = recipes(self.blocks, self._divergent, self._differs, self._callee)
        self._once = {label: self._copies(label) for label in self.blocks}
        self._check()

    def _cut(self) -> frozenset[int]:
        """End a block at each barrier; return those blocks."""
        barriers = set()
        for label in list(self.blocks):
            block, here = self.blocks[label], label
            while True:
                at = next((k for k, inst in enumerate(block.body) if self._calls(inst) in BARRIERS), None)
                if at is None:
                    break
                rest = ir.Block(block.scope, block.body[at].loc)
                rest.body = block.body[at + 1 :]
                new = max(self.blocks) + 1
                first = ir.Block(block.scope, block.loc)
                kept = at + 1 if self._calls(block.body[at]) in REDUCING else at
                first.body = [*block.body[:kept], ir.Jump(new, block.body[at].loc)]
                self.blocks[here] = first
                barriers.add(here)
                self.blocks[new] = rest
                block, here = rest, new
        return frozenset(barriers)

    def _calls(self, inst: Any) -> Any:
        if isinstance(inst, ir.Assign) and isinstance(inst.value, ir.Expr) and inst.value.op == "call":
            return self._callee(inst.value.func)
        return None

    def _callee(self, func: Any) -> Any:
        return callee_of(self.fndesc.typemap, func)

    def _differs(self, name: str) -> bool:
        return widest(self.shapes.form(name)) is not Shape.UNIFORM

    # What outlives a segment

    def _where_used(self) -> dict[str, set[int]]:
        """Return the segments, by their first blocks, that each variable is used or assigned in."""
        places: dict[str, set[int]] = {}
        for label, block in self.blocks.items():
            for inst in block.body:
                if not isinstance(inst, ir.Del):
                    for var in inst.list_vars():
                        places.setdefault(var.name, set()).add(self._segment_of[label].first)
        return places

    def _is_kept(self, name: str) -> bool:
        """Whether a variable differs among vectors and is used in several segments."""
        return len(self._places.get(name, ())) > 1 and self._differs(name)

    def _brought(self, segment: Segment) -> list[str]:
        """Return the variables that a segment has from those before it."""
        here = {name for name, where in self._places.items() if segment.first in where}
        return sorted(name for name in self._live[segment.first] & here if self._is_kept(name))

    def _left_behind(self, segment: Segment) -> list[str]:
        """Return the variables that a segment assigns for those after it."""
        after = frozenset[str]().union(*(self._live[one] for one in self.flow.successors[segment.last]))
        assigned = assigned_in([self.blocks[label] for label in segment.labels])
        return sorted(name for name in after & assigned if self._is_kept(name) and name not in self._recipes)

    def _copies(self, label: int) -> tuple[Any, ...]:
        """Return the assignments at the end of a segment that must happen once, not once for each vector.

        They carry what is the same for the block to where ways meet: a counter on its way around a loop.
        """
        if label != self._segment_of[label].last:
            return ()
        return tuple(inst for inst in self.blocks[label].body if self._carries(inst))

    def _comes_after(self, label: int, inst: Any) -> bool:
        return any(one is inst for one in self._once[label])

    def _carries(self, inst: Any) -> bool:
        if not isinstance(inst, ir.Assign) or not isinstance(inst.value, ir.Var):
            return False
        name = inst.target.name
        shared = len(self._places[name]) > 1
        return shared and self.shapes.form(name) is Shape.UNIFORM and self.shapes.is_reassigned(name)

    def _check(self) -> None:
        """Refuse what running a segment once for each vector would change."""
        for segment in self._segments.values():
            if self._is_of_block(segment):
                continue
            for label in segment.labels:
                for inst in self.blocks[label].body:
                    self._check_inst(label, inst)

    def _check_inst(self, label: int, inst: Any) -> None:
        if not isinstance(inst, ir.Assign) or widest(self.shapes.form(inst.target.name)) is not Shape.UNIFORM:
            return
        name = inst.target.name
        crosses = len(self._places[name]) > 1 and self.shapes.is_reassigned(name)
        if crosses and not self._comes_after(label, inst):
            raise LanesRefused(
                f"{name.split('.')[0]!r} changes for the block between two barriers, in a branch or loop"
            )
        value: Any = inst.value
        steps = isinstance(value, ir.Expr) and value.op == "iternext"
        if steps and len(self._places[value.value.name]) > 1:
            raise LanesRefused("a loop goes on from one side of a barrier to the other")

    def _is_of_block(self, segment: Segment) -> bool:
        """Whether a segment only computes what is the same for the block."""
        for label in segment.labels:
            for inst in self.blocks[label].body:
                if isinstance(inst, STORES) or self._calls(inst) in EFFECTS or self._calls(inst) in REDUCING:
                    return False
                if isinstance(inst, ir.Assign) and widest(self.shapes.form(inst.target.name)) is not Shape.UNIFORM:
                    return False
        return True

    # The function as a whole

    def lower_function_body(self) -> llvm.Block:
        """Emit every segment, and return the entry block."""
        self.analyse()
        self.pre_lower()
        self._extents()
        self._homes: dict[str, list[tuple[Slot, llvm.Value]]] = {}
        self._chunk: llvm.Value | None = None
        self._context: llvm.Value | None = None
        self._tally = Tally(self.builder)
        heads = {first: self.function.append_basic_block(f"segment{first}") for first in self._segments}
        entry = self.builder.basic_block
        ready = self.function.append_basic_block("ready")
        self.builder.position_at_end(ready)
        self._emit_arguments()
        self.builder.branch(heads[self.firstblk])
        for first, segment in self._segments.items():
            self.builder.position_at_end(heads[first])
            if self._is_of_block(segment):
                self._emit_once(segment)
            else:
                self._tally.clear(self.builder)
                self._emit_for_threads(segment)
            self._emit_end(segment, heads)
        self.blkmap[self.firstblk] = ready
        self.post_lower()
        return entry

    def _extents(self) -> None:
        """Read the block's extents, and count its vectors."""
        index = next(k for k, one in enumerate(self.fndesc.argtypes) if one == LoopContext)
        self._of_block = self.fnargs[index]
        made = cgutils.create_struct_proxy(LoopContext)(self.context, self.builder, self._of_block)
        self._dims = [self.builder.zext(getattr(made, "dim" + axis), WORD) for axis in "xyz"]
        x, y, z = self._dims
        ragged = self.builder.udiv(self.builder.add(x, WORD(self.width - 1)), WORD(self.width))
        self._vectors_of_row = ragged
        self._vector_count = self.builder.mul(ragged, self.builder.mul(y, z))

    def _emit_arguments(self) -> None:
        """Emit what every segment may use and no thread changes: parameters, and the block's shared arrays."""
        self._label, self._mask, self._parted = self.firstblk, None, False
        self._singly_assigned_vars = set()
        for block in self.blocks.values():
            for inst in block.body:
                if isinstance(inst, ir.Assign) and isinstance(inst.value, ir.Arg):
                    self._emit_now(inst)
        for block in self.blocks.values():
            for inst in block.body:
                if self._calls(inst) is block_array:
                    self._emit_now(inst)

    def _emit_now(self, inst: Any) -> None:
        for var in inst.list_vars():
            defined = self._definition(var.name)
            if (
                defined is not None
                and defined is not inst
                and isinstance(defined.value, ir.Const | ir.Global | ir.FreeVar)
            ):
                self.loc = defined.loc
                self._lower_assignment(defined)
        self.loc = inst.loc
        self._lower_assignment(inst)

    def _definition(self, name: str) -> Any:
        for block in self.blocks.values():
            for inst in block.body:
                if isinstance(inst, ir.Assign) and inst.target.name == name:
                    return inst
        return None

    def lower_inst(self, inst: Any) -> None:
        """Emit one statement, other than those that were emitted beforehand or come after the segment."""
        if isinstance(inst, ir.Assign) and (isinstance(inst.value, ir.Arg) or self._calls(inst) is block_array):
            return
        if self._comes_after(self._label, inst):
            return
        if self._calls(inst) in REDUCING:
            self._count(inst)
            return
        if self._label == self._segment_of[self._label].last and inst.is_terminator:
            assert self._left is not None
            self.builder.branch(self._left)
            return
        super().lower_inst(inst)

    def _emit_once(self, segment: Segment) -> None:
        done = self.function.append_basic_block("done")
        self.emit_threads(segment.labels, None, done)
        self.builder.branch(self.blkmap[segment.first])
        self.builder.position_at_end(done)

    def _emit_end(self, segment: Segment, heads: dict[int, llvm.Block]) -> None:
        """Go on for the block, after its threads have run a segment."""
        self._label, self._mask, self._parted = segment.last, None, False
        for inst in self.blocks[segment.last].body:
            if self._calls(inst) in REDUCING:
                self._answer(inst)
        for inst in self._once[segment.last]:
            self.loc = inst.loc
            self._lower_assignment(inst)
        end = self.blocks[segment.last].terminator
        if isinstance(end, ir.Jump):
            self.builder.branch(heads[end.target])
        elif isinstance(end, ir.Branch):
            if widest(self.shapes.form(end.cond.name)) is not Shape.UNIFORM:
                raise LanesRefused("threads of a block decide by themselves whether they pass a barrier")
            bit = self.builder.icmp_unsigned("!=", self.loadvar(end.cond.name), llvm.IntType(1)(0))
            self.builder.cbranch(bit, heads[end.truebr], heads[end.falsebr])
        else:
            self._left = None
            self._leave()

    # Barriers that count

    def _count(self, inst: Any) -> None:
        """Have the threads of a vector arrive at a barrier that tells how many came with a true predicate."""
        if self.shapes.form(inst.target.name) is not Shape.UNIFORM:
            raise LanesRefused("a barrier's answer is kept with what differs among threads")
        predicate = self._vector(self._value(inst.value.args[1].name), types.boolean)
        self._tally.add(self.builder, predicate, self._mask)

    def _answer(self, inst: Any) -> None:
        held = self._tally.answer(self.builder, self._calls(inst))
        type_ = self.typeof(inst.target.name)
        self.storevar(self.context.cast(self.builder, held, types.int32, type_), inst.target.name)

    # A segment

    def _emit_for_threads(self, segment: Segment) -> None:
        """Run a segment for all vectors of the block: without masks where rows are whole vectors, else with."""
        whole = self.builder.icmp_unsigned("==", self.builder.urem(self._dims[0], WORD(self.width)), WORD(0))
        with self.builder.if_else(whole, likely=True) as (unmasked, masked):
            with unmasked:
                self._emit_rows(segment, whole=True)
            with masked:
                self._emit_rows(segment, whole=False)

    def _emit_rows(self, segment: Segment, *, whole: bool) -> None:
        """Go down the columns of vectors: what does not depend on y is then the same from turn to turn."""
        builder, (x, y, z) = self.builder, self._dims
        with cgutils.for_range(builder, z) as at_z, cgutils.for_range(builder, self._vectors_of_row) as at_x:
            first = builder.mul(at_x.index, WORD(self.width))
            mask = None if whole else first_lanes(builder, builder.sub(x, first), self.width)
            layer = builder.mul(at_z.index, y)
            with cgutils.for_range(builder, y) as at_y:
                row = builder.add(layer, at_y.index)
                chunk = builder.add(builder.mul(row, self._vectors_of_row), at_x.index)
                self._emit_vector_of_threads(segment, chunk, (first, at_y.index, at_z.index), mask)

    def _emit_vector_of_threads(
        self, segment: Segment, chunk: llvm.Value, thread: tuple[llvm.Value, ...], mask: llvm.Value | None
    ) -> None:
        with self._as_threads(thread):
            self._label, self._mask = segment.first, None
            brought = self._brought(segment)
            again = dict.fromkeys(inst for name in brought for inst in self._recipes.get(name, ()))
            for inst in again:
                self.loc = inst.loc
                self._lower_assignment(inst)
            for name in brought:
                if name not in self._recipes:
                    self._bring(name, chunk)
            done = self.function.append_basic_block("done")
            self.emit_threads(segment.labels, mask, done)
            self.builder.branch(self.blkmap[segment.first])
            self.builder.position_at_end(done)
            for name in self._left_behind(segment):
                self._put_away(name, chunk)

    @contextmanager
    def _as_threads(self, thread: tuple[llvm.Value, ...]) -> Iterator[None]:
        """Have the context be that of the first thread of a vector."""
        builder = self.builder
        made = cgutils.create_struct_proxy(LoopContext)(self.context, builder, self._of_block)
        for axis, index in zip("xyz", thread, strict=True):
            setattr(made, "thread" + axis, builder.trunc(index, INDEX))
            setattr(made, "place" + axis, builder.add(getattr(made, "place" + axis), index))
        x, y, _ = self._dims
        rows = builder.add(thread[1], builder.mul(thread[2], y))
        self._first_thread = builder.add(thread[0], builder.mul(rows, x))
        self._context = self._bounded(made._getvalue())
        yield
        self._context = None

    def loadvar(self, name: str) -> llvm.Value:
        """Return a variable; a context is that of the vector at hand."""
        if self._context is not None and self.typeof(name) == LoopContext:
            return self._context if self._lane is None else self._context_of(self._context, self._lane)
        return super().loadvar(name)

    def _note_lane(self, lane: llvm.Value) -> None:
        """Write down which of the block's threads is at work, in case it fails."""
        if self._context is None:
            return
        made = cgutils.create_struct_proxy(LoopContext)(self.context, self.builder, self._of_block)
        place = self.builder.add(made.state, WORD(8 * _state.FAULT_LANE))
        thread = self.builder.add(self._first_thread, self.builder.zext(lane, WORD))
        self.builder.store(thread, self.builder.inttoptr(place, WORD.as_pointer()))

    # Between segments

    def _pieces(self, name: str) -> list[tuple[llvm.Value, llvm.Value]]:
        """Return where a variable is kept while a segment runs, and where in between: one for each vector."""
        homes = self._homes.get(name)
        if homes is None:
            homes = []
            for pointer in self._pointers(name):
                with self.builder.goto_entry_block():
                    home = self.builder.alloca(pointer.type.pointee, size=self._vector_count)
                home.align = 64
                homes.append((pointer, home))
            self._homes[name] = homes
        return homes

    def _pointers(self, name: str) -> list[llvm.Value]:
        if is_uniform(self.shapes.form(name)):
            return [self.getvar(name)]
        return _leaves(self._slot(name))

    def _bring(self, name: str, chunk: llvm.Value) -> None:
        for pointer, home in self._pieces(name):
            self.builder.store(self.builder.load(self.builder.gep(home, [chunk])), pointer)

    def _put_away(self, name: str, chunk: llvm.Value) -> None:
        for pointer, home in self._pieces(name):
            self.builder.store(self.builder.load(pointer), self.builder.gep(home, [chunk]))


def _leaves(slot: Slot) -> list[llvm.Value]:
    return [leaf for part in slot.parts for leaf in _leaves(part)] if slot.parts else [slot.pointer]
