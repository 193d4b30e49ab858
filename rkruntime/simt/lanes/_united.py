"""Loops that all lanes which enter them go through together, within code where lanes have parted.

Where each condition in a loop is the same for all lanes, those that enter it stay one group until it ends. It is then a
loop for LLVM too, with one mask for all of it, and without one for when all lanes are on.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba.core import ir, types

from rkruntime.simt._registers import has_masks
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._flow import Loop, Order
from rkruntime.simt.lanes._lower import SHORT, LanesLower
from rkruntime.simt.lanes._shapes import is_uniform

__all__ = ("UnitedLower",)


class UnitedLower(LanesLower):
    """Lowers such loops as loops."""

    _united: frozenset[int] = frozenset()  # the blocks of the loop that is emitted
    _after: llvm.Block  # where it goes on once it has ended

    def _lower_loop(self, loop: Loop, inside: Order) -> None:
        """Emit a loop among divergent blocks."""
        if self._parts(loop):
            super()._lower_loop(loop, inside)
            return
        mask = self.builder.load(self._masks[loop.header])
        self.builder.store(llvm.Constant(self._mask_type, [0] * self.width), self._masks[loop.header])
        some, self._after = (self.function.append_basic_block(name) for name in ("united", f"after{loop.header}"))
        self.builder.cbranch(vectors.any_lane(self.builder, mask), some, self._after)
        self.builder.position_at_end(some)
        if has_masks() or sum(len(self.blocks[label].body) for label in loop.body) > 2 * SHORT:
            self._lower_united(loop, mask, self.blkmap)
        else:
            every, few = (self.function.append_basic_block(name) for name in ("every", "few"))
            self.builder.cbranch(vectors.all_lanes(self.builder, mask), every, few)
            twins = {label: self.function.append_basic_block(f"few{label}") for label in loop.body}
            for way, here, blocks in ((every, None, self.blkmap), (few, mask, {**self.blkmap, **twins})):
                self.builder.position_at_end(way)
                self._lower_united(loop, here, blocks)
        self.builder.position_at_end(self._after)

    def _parts(self, loop: Loop) -> bool:
        """Whether lanes may part in a loop, or leave the others for good."""
        ends = [self.blocks[label].terminator for label in loop.body]
        parts = any(isinstance(end, ir.Branch) and not is_uniform(self.shapes.form(end.cond.name)) for end in ends)
        return parts or not loop.body.isdisjoint(self.shapes.leaving.branches)

    def _lower_united(self, loop: Loop, mask: llvm.Value | None, blocks: dict[int, llvm.Block]) -> None:
        """Emit a loop for the lanes of a mask into its blocks; the builder is where they enter it."""
        before = self.blkmap, self._united
        self.blkmap, self._united = blocks, loop.body
        self.builder.branch(self.blkmap[loop.header])
        for label in sorted(loop.body):
            self.builder.position_at_end(self.blkmap[label])
            self._mask = mask
            self._lower_here(label, self.blocks[label])
        self.blkmap, self._united = before

    def _lower_jump(self, target: int) -> None:
        if self._united:
            self.builder.branch(self._way_to(target))
        else:
            super()._lower_jump(target)

    def _lower_branch(self, inst: Any) -> None:
        if not self._united:
            super()._lower_branch(inst)
            return
        cond = inst.cond.name
        bit = self.context.cast(self.builder, self.loadvar(cond), self.typeof(cond), types.boolean)
        for late in self._late.get(self._label, ()):
            with self.builder.if_then(bit if late.out == inst.truebr else self.builder.not_(bit), likely=False):
                self._lower_assignment(late.inst)
        here = self.builder.block
        ways = [self._way_to(target) for target in (inst.truebr, inst.falsebr)]
        self.builder.position_at_end(here)
        self.builder.cbranch(bit, *ways)

    def _way_to(self, target: int) -> llvm.Block:
        """Return where lanes go on at a block: there, or out of the loop, once its turn comes."""
        if target in self._united:
            return self.blkmap[target]
        here, out = self.builder.block, self.function.append_basic_block("out")
        self.builder.position_at_end(out)
        self._go(target, self._mask)
        self.builder.branch(self._after)
        self.builder.position_at_end(here)
        return out
