"""Emitting a kernel's body for the lanes of one vector: numba's own lowering where lanes agree, vectors where not.

Numba has typed the code as for one thread. What is the same for all lanes is lowered by numba as it stands. What
differs becomes vectors (`_expressions`), and what has no vector form runs once for each lane that is on, by numba's
lowering again: so every construct that numba compiles has its meaning here too.

Divergent blocks run in the order of `linear_order`. Each has a mask of the lanes that want it, which the branches to it
add to, and is skipped where there are none.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba.core import cgutils, ir
from numba.core.lowering import Lower

from rkruntime.simt import _state
from rkruntime.simt._borrowed import without_owner
from rkruntime.simt._context import LoopContext
from rkruntime.simt._numba import types
from rkruntime.simt._refused import refused_at
from rkruntime.simt._registers import has_masks
from rkruntime.simt._rows import Rows
from rkruntime.simt._signed import is_check
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._again import without_reading_again
from rkruntime.simt.lanes._aligned import Aligned
from rkruntime.simt.lanes._counters import counters
from rkruntime.simt.lanes._flow import Flow, Loop, Order, linear_order
from rkruntime.simt.lanes._handlers import refuse_handlers
from rkruntime.simt.lanes._joins import NONE, joins_of, with_one_end
from rkruntime.simt.lanes._late import LateCopy, late_copies
from rkruntime.simt.lanes._leaving import Leaving
from rkruntime.simt.lanes._narrow import narrow
from rkruntime.simt.lanes._origins import origins
from rkruntime.simt.lanes._own_lower import OwnLower
from rkruntime.simt.lanes._ramps import first_lanes
from rkruntime.simt.lanes._shapes import Shape, Shapes, callee_of, is_uniform

__all__ = ("LanesLower", "flow_of")

BIT, INDEX = llvm.IntType(1), llvm.IntType(32)
READS = ("getitem", "static_getitem")
SHORT = 60  # statements of numba's, of which a line has some five
RAISES = (ir.StaticRaise, ir.DynamicRaise)


def flow_of(blocks: Any) -> Flow:
    """Return the control flow of numba's blocks."""
    successors = {label: tuple(dict.fromkeys(block.terminator.get_targets())) for label, block in blocks.items()}
    raising = frozenset(label for label, block in blocks.items() if isinstance(block.terminator, RAISES))
    return Flow(successors, min(blocks), raising)


class LanesLower(OwnLower):
    """Lowers a kernel's body for up to `width` neighbouring threads; the context is that of the first.

    A word of the state record tells how many there are.
    """

    barriers: frozenset[int] = frozenset()  # blocks that end at one
    warps: frozenset[int] = frozenset()  # blocks that end where the threads of a warp worked together
    apart: frozenset[str] = frozenset()  # variables that each vector keeps for itself
    rows_begin = False  # whether a vector's first thread is at a multiple of its width in a row, or in the block
    rows = Rows.ANY  # which blocks it is for

    # The function as a whole

    def lower_function_body(self) -> llvm.Block:
        """Emit every block, and return the entry block."""
        self.analyse()
        self.pre_lower()
        entry, builder = self.builder.basic_block, self.builder
        begin, some = (self.function.append_basic_block(name) for name in ("begin", "some"))
        builder.position_at_end(begin)
        count = builder.load(self._state_word(_state.LANES))
        if self.rows is Rows.MASKED:
            builder.branch(some)
        else:
            whole = self.function.append_basic_block("whole")
            builder.cbranch(builder.icmp_unsigned("==", count, count.type(self.width)), whole, some)
            builder.position_at_end(whole)
            self._emit_body(None)
        builder.position_at_end(some)
        self._emit_body(first_lanes(builder, count, self.width))
        self.blkmap[self.firstblk] = begin  # numba branches there from the entry
        self.post_lower()
        return entry

    def _emit_body(self, mask: llvm.Value | None) -> None:
        self.emit_threads(frozenset(self.blocks), mask, None)
        self.builder.branch(self.blkmap[self.firstblk])

    def analyse(self) -> None:
        """Find out what differs among threads, and where they part."""
        refuse_handlers(self.blocks)
        self.blocks = with_one_end(self.blocks)
        typemap, meetings = self.fndesc.typemap, self.barriers | self.warps
        self.blocks = without_reading_again(
            self.blocks, flow_of(self.blocks), typemap, lambda func: callee_of(typemap, func), meetings
        )
        self.func_ir = self.func_ir.copy()
        self.func_ir.blocks = self.blocks
        self.flow = flow_of(self.blocks)
        leaving = Leaving(self.flow, self.barriers, self.barriers | self.warps)
        width = self.width if self.rows_begin else 0
        aligned = Aligned(self.blocks, self.fndesc.typemap, width, in_rows=self.rows is not Rows.NUMBERED)
        self._find_own()
        own = frozenset(self._own)
        self.shapes = Shapes(self.func_ir, self.fndesc.typemap, leaving, aligned, own, self.apart)
        self._slots, self._lane, self._mask, self._copies_held = {}, None, None, None
        self._origins = origins(self.blocks, lambda func: callee_of(self.fndesc.typemap, func))
        self._counters, self._narrow = counters(self.blocks), narrow(self.blocks, self.fndesc.typemap)
        self._mask_type = llvm.VectorType(BIT, self.width)
        self._divergent = self.shapes.divergent
        self._late = self._late_copies()
        self._region = {label: region for region in self.shapes.regions for label in region}

    def _late_copies(self) -> dict[int, tuple[LateCopy, ...]]:
        """Return for divergent blocks the copies that are made where all lanes leave a loop at once, and not before."""
        found = {}
        for label, copies in late_copies(self.blocks, self.flow).items():
            agree = is_uniform(self.shapes.form(self.blocks[label].terminator.cond.name))
            if agree and label in self._divergent - self.shapes.leaving.branches:
                found[label] = tuple(one for one in copies if self._is_blended(label, one.inst.target.name))
        return found

    def _is_blended(self, label: int, name: str) -> bool:
        """Whether an assignment in a block puts some lanes of a vector in place of what was there."""
        return vectors.is_number(self.typeof(name)) and self.shapes.blends(label, name)

    def emit_threads(self, labels: frozenset[int], mask: llvm.Value | None, left: llvm.Block | None) -> None:
        """Emit blocks for the threads of one vector.

        Args:
            labels: Which.
            mask: The threads that there are; None for all.
            left: Where to go on at instead of at blocks that are not among them, and instead of returning.

        The builder is where they begin, and stays there.
        """
        before = self.builder.block
        self._labels, self._threads, self._left = labels, mask, left
        self._joins = NONE if self.shapes.leaving.ways else joins_of(self.flow, self._parting(labels), labels)
        self.blkmap.update({label: self.function.append_basic_block(f"B{label}") for label in labels})
        self._masks = {label: self._cleared_mask(label) for label in sorted(labels & self._divergent)}
        regions = [region for region in self.shapes.regions if region <= labels]
        self._starts = {region: self.function.append_basic_block("divergent") for region in regions}
        for held in self._masks.values():  # they are empty by then, which LLVM would have to prove
            self.builder.store(llvm.Constant(self._mask_type, [0] * self.width), held)
        for label in sorted(labels - self._divergent):
            self.builder.position_at_end(self.blkmap[label])
            self._mask, self._parted = self._mask_here(mask), False
            self._lower_here(label, self.blocks[label])
        self._parted = True
        for region in regions:
            self._lower_region(region)
        self._mask = None
        self.builder.position_at_end(before)

    def _parting(self, labels: frozenset[int]) -> list[int]:
        """Return which of some blocks lanes part at that came there by different ways."""
        ends = {label: self.blocks[label].terminator for label in labels & self._divergent}
        return [
            label
            for label, end in ends.items()
            if isinstance(end, ir.Branch) and not is_uniform(self.shapes.form(end.cond.name))
        ]

    def _mask_here(self, mask: llvm.Value | None) -> llvm.Value | None:
        """Return which threads run the block that is emitted next, of those that there are."""
        return mask

    def _cleared_mask(self, label: int) -> llvm.Value:
        zeros = llvm.Constant(self._mask_type, [0] * self.width)
        with self.builder.goto_entry_block():
            return cgutils.alloca_once_value(self.builder, zeros, name=f"mask{label}")

    def _lower_region(self, region: frozenset[int]) -> None:
        """Emit blocks that lanes run at different times, and go on where all meet."""
        ways = self.shapes.leaving.together.successors
        outside = {after for label in region for after in ways[label] if after not in region}
        if len(outside) > 1:
            raise refused_at(self.blocks[min(region)].loc, "ways of different threads meet at more than one place")
        self.builder.position_at_end(self._starts[region])
        self._lower_order(linear_order(self.flow, region))
        if outside:
            self._go_on(region, self._block_for(outside.pop()))
        else:
            self._leave()

    def _go_on(self, region: frozenset[int], target: llvm.Block) -> None:  # noqa: ARG002 - who is left may depend on it
        """Go on where the ways of different threads meet."""
        self.builder.branch(target)

    def _leave(self) -> None:
        """End the function for these threads."""
        if self._left is not None:
            self.builder.branch(self._left)
            return
        nothing = self.context.get_return_value(self.builder, types.none, self.context.get_dummy_value())
        self.call_conv.return_value(self.builder, nothing)

    def _lower_order(self, order: Order) -> None:
        for one in order:
            if isinstance(one, int):
                self._lower_masked(one)
                continue
            self._lower_loop(*one)

    def _lower_loop(self, loop: Loop, inside: Order) -> None:
        """Emit a loop among divergent blocks."""
        top = self.function.append_basic_block(f"loop{loop.header}")
        after = self.function.append_basic_block(f"after{loop.header}")
        self.builder.branch(top)
        self.builder.position_at_end(top)
        self._lower_order(inside)
        again = vectors.any_lane(self.builder, self.builder.load(self._masks[loop.header]))
        self.builder.cbranch(again, top, after)
        self.builder.position_at_end(after)

    def _lower_masked(self, label: int) -> None:
        """Emit one divergent block: skipped where no lane wants it."""
        skip = self.function.append_basic_block(f"next{label}")
        mask = self.builder.load(self._masks[label])
        self.builder.cbranch(vectors.any_lane(self.builder, mask), self.blkmap[label], skip)
        self.builder.position_at_end(self.blkmap[label])
        self.builder.store(llvm.Constant(self._mask_type, [0] * self.width), self._masks[label])
        if self._is_twice(label):
            self._lower_both(label, mask)
        else:
            self._mask = mask
            self._lower_here(label, self.blocks[label])
        if not self.builder.block.is_terminated:
            self.builder.branch(skip)
        self.builder.position_at_end(skip)

    def _is_twice(self, label: int) -> bool:
        """Whether a block has code of its own for when all lanes are on, as they are in most vectors.

        Without registers for masks, each number that a block reads, writes or chooses costs a mask of its own size. In
        loops lanes part, and long blocks would take long to compile.
        """
        if (
            has_masks()
            or label in self.shapes.leaving.branches
            or any(label in loop.body for loop in self.flow.loops.values() if loop.body <= self._labels)
        ):
            return False
        body = self.blocks[label].body
        reads = any(isinstance(inst, ir.Assign) and getattr(inst.value, "op", "") in READS for inst in body)
        return len(body) <= SHORT and (reads or any(isinstance(inst, ir.SetItem) for inst in body))

    def _lower_both(self, label: int, mask: llvm.Value) -> None:
        """Emit a block for all lanes, and for some of them."""
        with self.builder.if_else(vectors.all_lanes(self.builder, mask), likely=True) as (every, some):
            for way, here in ((every, None), (some, mask)):
                with way:
                    self._mask = here
                    self._lower_here(label, self.blocks[label])

    def _lower_here(self, label: int, block: Any) -> None:
        self._label = label
        self._singly_assigned_vars = set()  # a value that skipped blocks may lack needs room of its own
        self.lower_block(block)

    # Ways on

    def _go(self, target: int, mask: llvm.Value | None) -> None:
        """Have lanes of the block at hand go on at a divergent one, once its turn comes; `mask` None stands for all."""
        if (self._label, target) not in self._joins.told:
            self._enter(target, mask)

    def _enter(self, target: int, mask: llvm.Value | None) -> None:
        """Have lanes run a divergent block, once its turn comes."""
        if target in self._masks:
            on = llvm.Constant(self._mask_type, [1] * self.width) if mask is None else mask
            waiting = self.builder.load(self._masks[target])
            self.builder.store(self.builder.or_(waiting, on), self._masks[target])

    def _block_for(self, target: int) -> llvm.Block:
        if target not in self._labels:
            assert self._left is not None
            return self._left
        return self._starts[self._region[target]] if target in self._divergent else self.blkmap[target]

    def _lower_jump(self, target: int) -> None:
        self._go(target, self._mask)
        if not self._parted:
            self.builder.branch(self._block_for(target))

    def _lower_branch(self, inst: Any) -> None:
        cond, truth = inst.cond.name, types.boolean
        if not self._parted and is_uniform(self.shapes.form(cond)):
            bit = self.context.cast(self.builder, self.loadvar(cond), self.typeof(cond), truth)
            with self.builder.if_else(bit) as (then, otherwise):
                for way, target in ((then, inst.truebr), (otherwise, inst.falsebr)):
                    with way:
                        self._go(target, self._mask)
            self.builder.cbranch(bit, self._block_for(inst.truebr), self._block_for(inst.falsebr))
            return
        for late in self._late.get(self._label, ()):
            bit = self.context.cast(self.builder, self.loadvar(cond), self.typeof(cond), truth)
            with self.builder.if_then(bit if late.out == inst.truebr else self.builder.not_(bit), likely=False):
                self._lower_assignment(late.inst)
        chosen = self._vector(self._value(cond), truth)
        assert chosen is not None
        on, off = chosen, self.builder.not_(chosen)
        if self._mask is not None:
            on, off = self.builder.and_(self._mask, on), self.builder.and_(self._mask, off)
        self._go(inst.truebr, on)
        self._go(inst.falsebr, off)
        if self._label in self._joins.at:
            self._enter(self._joins.at[self._label], self._mask)
        if not self._parted:
            first = inst.truebr if inst.truebr in self._divergent else inst.falsebr
            self.builder.branch(self._block_for(first))

    # Statements

    def lower_inst(self, inst: Any) -> None:
        """Emit one statement."""
        if isinstance(inst, ir.Del) or self._is_check(inst):
            return  # what owns something that would have to be freed is not compiled for lanes
        if isinstance(inst, ir.Branch):
            self._lower_branch(inst)
        elif isinstance(inst, ir.Jump):
            self._lower_jump(inst.target)
        elif isinstance(inst, ir.Return):
            if not self._parted:
                self._leave()
        elif isinstance(inst, ir.Assign):
            if all(inst is not late.inst for late in self._late.get(self._label, ())):
                self._lower_assignment(inst)
        elif isinstance(inst, RAISES):
            self._note_lane(vectors.first_lane(self.builder, self._mask) if self._mask is not None else INDEX(0))
            with self._as_lane(self._first_lane()):
                super().lower_inst(inst)
        elif self._write(inst) or (isinstance(inst, ir.SetItem) and self._store(inst)):
            return
        elif isinstance(inst, ir.Print) or not self._all_uniform(inst):
            self._for_each_lane(lambda _: Lower.lower_inst(self, inst))
        else:
            super().lower_inst(inst)

    def _is_check(self, inst: Any) -> bool:
        """Whether a statement only checks the types of arguments."""
        is_call = isinstance(inst, ir.Assign) and isinstance(inst.value, ir.Expr) and inst.value.op == "call"
        return is_call and is_check(callee_of(self.fndesc.typemap, inst.value.func))

    def _all_uniform(self, inst: Any) -> bool:
        return all(is_uniform(self.shapes.form(var.name)) for var in inst.list_vars())

    def _lower_assignment(self, inst: Any) -> None:
        name, value = inst.target.name, inst.value
        form, type_, self._target = self.shapes.form(name), self.typeof(name), name
        if is_uniform(form):
            # A device function's own name for the context stays that of the whole vector.
            with self._as_lane(None if type_ == LoopContext else self._first_lane()):
                held = Lower.lower_assign(self, type_, inst)
            if isinstance(value, ir.Arg):
                held = self._borrowed(type_, held)
            self.storevar(held, name)
            return
        mask = self._mask if self.shapes.blends(self._label, name) else None
        if form is Shape.RAMP:
            with self._as_lane(INDEX(0)):
                self._slot(name).store(self.builder, Lower.lower_assign(self, type_, inst), None)
            return
        slot, emitted = self._slot(name), self._emit_vector(type_, value)
        if emitted is not None:
            slot.store(self.builder, self._fit(emitted, slot.type, form), mask)
            return

        def assign(lane: llvm.Value) -> None:
            held = Lower.lower_assign(self, type_, inst)
            self._store_lane(slot, lane, self.context.cast(self.builder, held, type_, slot.type))

        self._for_each_lane(assign)

    def _borrowed(self, type_: Any, held: llvm.Value) -> llvm.Value:
        """Return arrays without their owner, so that nobody counts references to them; a context with its bounds."""
        if type_ == LoopContext:
            return self._bounded(held)
        return without_owner(self.context, self.builder, type_, held)
