"""Emitting branches at which threads leave the others for good: they run to their end there and then.

The others go on under the mask of those that are left.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir as llvm

from rkruntime.simt._numba import types
from rkruntime.simt._refused import refused_at
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._flow import linear_order
from rkruntime.simt.lanes._liveness import assigned_in
from rkruntime.simt.lanes._shapes import Shape
from rkruntime.simt.lanes._united import UnitedLower

__all__ = ("LeavingLower",)


class LeavingLower(UnitedLower):
    """Lowers code between barriers that some threads of a vector do not reach the end of."""

    _left_over: llvm.Value | None = None  # the place of the mask of those that are left; None where none leave
    _is_gone = False  # whether what is emitted is run by those who leave
    _live: dict[int, frozenset[str]]
    _once: dict[int, tuple[Any, ...]]

    def _mask_here(self, mask: llvm.Value | None) -> llvm.Value | None:
        return mask if self._left_over is None else self.builder.load(self._left_over)

    def _lower_branch(self, inst: Any) -> None:
        """Emit a branch; where some leave, have these run to their end before the others go on."""
        if self._label not in self.shapes.leaving.branches:
            super()._lower_branch(inst)
            return
        assert self._left_over is not None
        stays_where_true = inst.truebr in self.shapes.leaving.staying
        target, out = (inst.truebr, inst.falsebr) if stays_where_true else (inst.falsebr, inst.truebr)
        chosen = self._vector(self._value(inst.cond.name), types.boolean)
        assert chosen is not None
        assert self._mask is not None
        keeps = chosen if stays_where_true else self.builder.not_(chosen)
        staying = self.builder.and_(self._mask, keeps)
        gone = self.builder.and_(self._mask, self.builder.not_(keeps))
        with self.builder.if_then(vectors.any_lane(self.builder, gone)), self._as_after(self._label):
            self._run_to_the_end(out, gone)
        left = self.builder.and_(self.builder.load(self._left_over), self.builder.not_(gone))
        self.builder.store(left, self._left_over)
        self._go(target, staying)
        if not self._parted:
            self._go_on_if_any(staying, self._block_for(target))

    @contextmanager
    def _as_after(self, label: int) -> Iterator[None]:
        """Have variables of the block be what they will be for the others once all have run this piece of code."""
        copies = self._once.get(label, ())
        before = [(inst.target.name, self.builder.load(self.getvar(inst.target.name))) for inst in copies]
        for inst in copies:
            self._lower_assignment(inst)
        yield
        for name, held in before:
            self.builder.store(held, self.getvar(name))

    def _run_to_the_end(self, target: int, gone: llvm.Value) -> None:
        """Emit what threads run that leave for a block."""
        region = next(one for one in self.shapes.regions if target in one)
        before = self._label, self._mask, self._parted, self._is_gone
        others = dict(self.blkmap), dict(self._masks)  # which may end there too, by another way
        self.blkmap.update({label: self.function.append_basic_block(f"gone{label}") for label in region})
        for label in sorted(region):
            self._masks[label] = self._cleared_mask(label)
            self.builder.store(llvm.Constant(self._mask_type, [0] * self.width), self._masks[label])
        self._parted = self._is_gone = True
        self._go(target, gone)
        self._lower_order(linear_order(self.flow, region))
        self._label, self._mask, self._parted, self._is_gone = before
        self.blkmap, self._masks = others

    def _go_on_if_any(self, mask: llvm.Value, target: llvm.Block) -> None:
        assert self._left is not None
        self.builder.cbranch(vectors.any_lane(self.builder, mask), target, self._left)

    def _go_on(self, region: frozenset[int], target: llvm.Block) -> None:
        """Go on where the ways of different threads meet, with those that are left."""
        if self._left_over is not None and region & self.shapes.leaving.branches:
            self._go_on_if_any(self.builder.load(self._left_over), target)
        else:
            super()._go_on(region, target)

    def _check_leaving(self) -> None:
        """Refuse where those who leave would change what the others still need, and share."""
        for block, out in self.shapes.leaving.ways:
            region = next(one for one in self.shapes.regions if out in one)
            changed = assigned_in([self.blocks[label] for label in region])
            (stays,) = (one for one in self.flow.successors[block] if one != out)
            for name in sorted(changed & self._live[stays]):
                if self.shapes.form(name) is not Shape.VARYING and self.typeof(name) != types.none:
                    why = f"{name.split('.')[0]!r} is changed by threads that leave, and used by others"
                    raise refused_at(self.blocks[block].terminator.loc, why)
