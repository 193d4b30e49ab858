"""Emitting a kernel with barriers for a whole block: each segment between two is a loop over the block's vectors.

Neighbouring threads along x are a vector; a row whose length is no multiple of its width ends with one that is masked.
Branches and loops around barriers are decided once for the block. Where threads leave the others before a barrier, a
mask for each vector tells who is left.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir as llvm
from numba.core import cgutils, ir

from rkruntime.simt import _state, _stubs
from rkruntime.simt._context import LoopContext
from rkruntime.simt._numba import types
from rkruntime.simt._refused import refused_at
from rkruntime.simt._rows import Rows
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._cutting import CutLower
from rkruntime.simt.lanes._forms import has_rows
from rkruntime.simt.lanes._ramps import first_lanes
from rkruntime.simt.lanes._reducing import Tally
from rkruntime.simt.lanes._segments import Segment
from rkruntime.simt.lanes._shapes import Shape, is_uniform, widest
from rkruntime.simt.lanes._shared import REDUCING, block_array
from rkruntime.simt.lanes._slots import Slot

__all__ = ("BlockLower",)

WORD, INDEX, BIT = llvm.IntType(64), llvm.IntType(32), llvm.IntType(1)


class BlockLower(CutLower):
    """Lowers a kernel's body for all threads of a block; the context is that of the first."""

    rows_begin = True

    # The function as a whole

    def lower_function_body(self) -> llvm.Block:
        """Emit every segment, and return the entry block."""
        self.analyse()
        self.pre_lower()
        self._extents()
        self._is_flat = not any(map(has_rows, self.shapes.forms.values()))
        self._homes: dict[str, list[tuple[Slot, llvm.Value]]] = {}
        self._chunk: llvm.Value | None = None
        self._context: llvm.Value | None = None
        self._tally = Tally(self.builder)
        heads = {first: self.function.append_basic_block(f"segment{first}") for first in self._segments}
        entry = self.builder.basic_block
        ready = self.function.append_basic_block("ready")
        self.builder.position_at_end(ready)
        self._emit_arguments()
        self._emit_everybody()
        self.builder.branch(heads[self.firstblk])
        for first, segment in self._segments.items():
            self.builder.position_at_end(heads[first])
            self._segment = segment
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
        x, y, z = self._dims = self._rows_of(*(self.builder.zext(getattr(made, "dim" + axis), WORD) for axis in "xyz"))
        ragged = self.builder.udiv(self.builder.add(x, WORD(self.width - 1)), WORD(self.width))
        self._vectors_of_row = ragged
        self._vector_count = self.builder.mul(ragged, self.builder.mul(y, z))

    def _rows_of(self, x: llvm.Value, y: llvm.Value, z: llvm.Value) -> list[llvm.Value]:
        """Return how long rows are that vectors are of, how many are a layer, and how many layers there are."""
        return [x, y, z]

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

    def lower_inst(self, inst: Any) -> None:
        """Emit one statement, other than those that were emitted beforehand or come after the segment."""
        if isinstance(inst, ir.Assign) and (isinstance(inst.value, ir.Arg) or self._calls(inst) is block_array):
            return
        ends = self._label == self._segment.last and not self._is_gone
        if ends and self._comes_after(self._label, inst):
            return
        if self._label == self._segment.first and self._calls(inst) is _stubs.interrupt and self._looks(self._segment):
            return
        if self._calls(inst) in REDUCING:
            self._count(inst)
            return
        if ends and inst.is_terminator and self._label not in self.shapes.leaving.branches:
            assert self._left is not None
            self.builder.branch(self._left)
            return
        super().lower_inst(inst)

    def _emit_once(self, segment: Segment) -> None:
        done = self.function.append_basic_block("done")
        self._emit_labels(segment, None, done)

    def _emit_labels(self, segment: Segment, mask: llvm.Value | None, done: llvm.Block) -> None:
        self.emit_threads(segment.labels, mask, done)
        self._enter(segment.first, mask)
        self.builder.branch(self._block_for(segment.first))
        self.builder.position_at_end(done)

    def _emit_end(self, segment: Segment, heads: dict[int, llvm.Block]) -> None:
        """Go on for the block, after its threads have run a segment."""
        if segment.last is None:
            self._left = None
            self._leave()
            return
        self._label, self._mask, self._parted, self._left = segment.last, None, False, None
        if self._leaves(segment):
            with self.builder.if_then(self.builder.not_(self.builder.load(self._somebody)), likely=False):
                self._leave()
        for inst in self.blocks[segment.last].body:
            if self._calls(inst) in REDUCING:
                self._answer(inst)
        for inst in self._once[segment.last]:
            self.loc = inst.loc
            self._lower_assignment(inst)
        end = self.blocks[segment.last].terminator
        ways = self.shapes.leaving.together.successors[segment.last]
        if len(ways) == 1:
            self.builder.branch(heads[ways[0]])
        elif isinstance(end, ir.Branch):
            if widest(self.shapes.form(end.cond.name)) is not Shape.UNIFORM:
                raise refused_at(end.loc, "threads of a block decide by themselves whether they pass a barrier")
            bit = self.builder.icmp_unsigned("!=", self.loadvar(end.cond.name), llvm.IntType(1)(0))
            self.builder.cbranch(bit, heads[end.truebr], heads[end.falsebr])
        else:
            self._leave()

    # Barriers that count

    def _count(self, inst: Any) -> None:
        """Have the threads of a vector arrive at a barrier that tells how many came with a true predicate."""
        if self.shapes.form(inst.target.name) is not Shape.UNIFORM:
            raise refused_at(inst.loc, "a barrier's answer is kept with what differs among threads")
        predicate = self._vector(self._value(inst.value.args[1].name), types.boolean)
        self._tally.add(self.builder, predicate, self._mask)

    def _answer(self, inst: Any) -> None:
        held = self._tally.answer(self.builder, self._calls(inst))
        type_ = self.typeof(inst.target.name)
        self.storevar(self.context.cast(self.builder, held, types.int32, type_), inst.target.name)

    # A segment

    def _emit_for_threads(self, segment: Segment) -> None:
        """Run a segment for all vectors of the block: without masks where rows are whole vectors, else with."""
        for inst in self._looks(segment):
            self.loc = inst.loc
            self._lower_assignment(inst)
        if self._everybody is not None:
            self._emit_for_those_left(segment, self._everybody)
            return
        if self.rows in (Rows.WHOLE, Rows.MASKED):
            self._emit_rows(segment, whole=self.rows is Rows.WHOLE)
            return
        whole = self.builder.icmp_unsigned("==", self.builder.urem(self._dims[0], WORD(self.width)), WORD(0))
        with self.builder.if_else(whole, likely=True) as (unmasked, masked):
            with unmasked:
                self._emit_rows(segment, whole=True)
            with masked:
                self._emit_rows(segment, whole=False)

    def _looks(self, segment: Segment) -> list[Any]:
        """Return where a segment looks whether the launch is cancelled as it begins: once is enough for its vectors."""
        first = segment.first
        if any(first in loop.body and loop.body <= segment.labels for loop in self.flow.loops.values()):
            return []
        return [inst for inst in self.blocks[first].body if self._calls(inst) is _stubs.interrupt]

    def _emit_rows(self, segment: Segment, *, whole: bool) -> None:
        with self._each_vector() as (chunk, thread):
            self._emit_vector_of_threads(segment, chunk, thread, None if whole else self._row_mask(thread))

    def _row_mask(self, thread: tuple[llvm.Value, ...]) -> llvm.Value:
        """Return which threads of a vector there are, given the first of them."""
        return first_lanes(self.builder, self.builder.sub(self._dims[0], thread[0]), self.width)

    @contextmanager
    def _each_vector(self) -> Iterator[tuple[llvm.Value, tuple[llvm.Value, ...]]]:
        """Loop over vectors, giving the number and the first thread of each.

        It goes down their columns: what does not depend on y is then the same from turn to turn. Where nothing depends
        on y, blocks have one row as a rule, and it goes along that.
        """
        builder, (_, y, z) = self.builder, self._dims
        extents = [self._vectors_of_row, y]
        if self._is_flat:
            extents.reverse()
        with cgutils.for_range(builder, z) as at_z:
            layer = builder.mul(at_z.index, y)
            with cgutils.for_range(builder, extents[0]) as outer, cgutils.for_range(builder, extents[1]) as inner:
                at_x, at_y = (inner, outer) if self._is_flat else (outer, inner)
                row = builder.add(layer, at_y.index)
                chunk = builder.add(builder.mul(row, self._vectors_of_row), at_x.index)
                yield chunk, (builder.mul(at_x.index, WORD(self.width)), at_y.index, at_z.index)

    # Those that are left

    def _emit_everybody(self) -> None:
        """Write down for each vector which threads there are, if any may leave before others."""
        self._everybody: llvm.Value | None = None
        if not self.shapes.leaving.branches:
            return
        with self.builder.goto_entry_block():
            self._everybody = self.builder.alloca(self._mask_type, size=self._vector_count, name="everybody")
        self._somebody = cgutils.alloca_once(self.builder, BIT, name="somebody")
        with self._each_vector() as (chunk, thread):
            self.builder.store(self._row_mask(thread), self.builder.gep(self._everybody, [chunk]))

    def _emit_for_those_left(self, segment: Segment, everybody: llvm.Value) -> None:
        """Run a segment for the vectors that have threads left, and note which of these leave in it."""
        builder, emit = self.builder, self._emit_leaving if self._leaves(segment) else self._emit_staying
        builder.store(BIT(0), self._somebody)
        with self._each_vector() as (chunk, thread):
            place = builder.gep(everybody, [chunk])
            with builder.if_then(vectors.any_lane(builder, builder.load(place))):
                emit(segment, chunk, thread, place)

    def _emit_staying(
        self, segment: Segment, chunk: llvm.Value, thread: tuple[llvm.Value, ...], place: llvm.Value
    ) -> None:
        """Run a segment that nobody leaves in for one vector."""
        builder = self.builder
        mask = builder.load(place)
        whole = builder.not_(vectors.any_lane(builder, builder.not_(mask)))
        with builder.if_else(whole, likely=True) as (unmasked, masked):
            with unmasked:
                self._emit_vector_of_threads(segment, chunk, thread, None)
            with masked:
                self._emit_vector_of_threads(segment, chunk, thread, mask)

    def _emit_leaving(
        self, segment: Segment, chunk: llvm.Value, thread: tuple[llvm.Value, ...], place: llvm.Value
    ) -> None:
        """Run a segment in which threads may leave for one vector, whose mask is kept at a place."""
        builder = self.builder
        mask = builder.load(place)
        self._left_over = cgutils.alloca_once(builder, self._mask_type, name="left_over")
        builder.store(mask, self._left_over)
        self._emit_vector_of_threads(segment, chunk, thread, mask)
        left = builder.load(self._left_over)
        builder.store(left, place)
        some = builder.or_(builder.load(self._somebody), vectors.any_lane(builder, left))
        builder.store(some, self._somebody)
        self._left_over = None

    def _emit_vector_of_threads(
        self, segment: Segment, chunk: llvm.Value, thread: tuple[llvm.Value, ...], mask: llvm.Value | None
    ) -> None:
        with self._as_threads(thread):
            self._chunk = chunk
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
            self._emit_labels(segment, mask, done)
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

    def _room_of(self, first: str) -> llvm.Value:
        """Return where the own arrays of the vector at hand lie: in a room of its own, if they outlive a piece."""
        if not self._outlives(first):
            return super()._room_of(first)
        rooms = self._rooms.get(first)
        if rooms is None:
            size = llvm.ArrayType(llvm.IntType(8), self._own_bytes(first) * self.width)
            with self.builder.goto_entry_block():
                rooms = self.builder.alloca(size, size=self._vector_count, name="own")
            rooms.align = 64
            self._rooms[first] = rooms
        return self.builder.gep(rooms, [self._chunk])

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
