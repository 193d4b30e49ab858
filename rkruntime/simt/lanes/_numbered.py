"""Emitting blocks whose rows are not whole warps: a vector is 32 threads in the order of their numbers, over row ends.

A thread's number is `x + X * (y + Y * z)`, and from that all of its places are computed, for all lanes at once.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir as llvm
from numba.core import cgutils

from rkruntime.simt import _stubs
from rkruntime.simt._context import LoopContext
from rkruntime.simt._numba import types
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._blocks import BlockLower
from rkruntime.simt.lanes._shapes import PLACES, Shape, callee_of
from rkruntime.simt.lanes._slots import Value

__all__ = ("NumberedLower",)

WORD, INDEX, REAL = llvm.IntType(64), llvm.IntType(32), llvm.FloatType()
AXIS = {_stubs.place_x: 0, _stubs.place_y: 1, _stubs.place_z: 2}


class NumberedLower(BlockLower):
    """Lowers a kernel's body for the threads of a block, as if they were one row."""

    def _rows_of(self, x: llvm.Value, y: llvm.Value, z: llvm.Value) -> list[llvm.Value]:
        return [self.builder.mul(x, self.builder.mul(y, z)), WORD(1), WORD(1)]

    @contextmanager
    def _as_threads(self, thread: tuple[llvm.Value, ...]) -> Iterator[None]:
        """Have the context be that of the block's first thread, and know where the threads of a vector are."""
        builder = self.builder
        made = cgutils.create_struct_proxy(LoopContext)(self.context, builder, self._of_block)
        self._first_thread = thread[0]
        number = self._counting(builder.trunc(thread[0], INDEX))
        row, x = self._divided(number, made.dimx)
        z, y = self._divided(row, made.dimy)
        self._threads_at = [x, y, z]
        self._context = self._bounded(made._getvalue())
        yield
        self._context = None

    def _counting(self, first: llvm.Value) -> llvm.Value:
        return self.builder.add(vectors.splat(self.builder, first, self.width), vectors.iota(INDEX, self.width))

    def _divided(self, number: llvm.Value, by: llvm.Value) -> tuple[llvm.Value, llvm.Value]:
        """Return quotient and rest of numbers up to 1,024, which real numbers of four bytes have exactly.

        No processor divides vectors of whole numbers. The quotient of a number and a half is at least 1 / 2,048 from
        the next whole one, and rounded by far less.
        """
        builder, spread = self.builder, vectors.splat(self.builder, by, self.width)
        reals = llvm.VectorType(REAL, self.width)
        half = llvm.Constant(reals, [0.5] * self.width)
        wide = builder.fadd(builder.uitofp(number, reals), half)
        quotient = builder.fptoui(builder.fdiv(wide, builder.uitofp(spread, reals)), number.type)
        return quotient, builder.sub(number, builder.mul(quotient, spread))

    def _context_of(self, held: llvm.Value, lane: llvm.Value) -> llvm.Value:
        """Return the context of one lane's thread; before there are vectors, of the block's first."""
        if self._context is None:
            return held
        builder = self.builder
        made = cgutils.create_struct_proxy(LoopContext)(self.context, builder, held)
        for axis, at in zip("xyz", self._threads_at, strict=True):
            index = builder.extract_element(at, lane)
            setattr(made, "thread" + axis, index)
            setattr(made, "place" + axis, builder.add(getattr(made, "place" + axis), builder.zext(index, WORD)))
        return made._getvalue()

    def _emit_call(self, type_: Any, expr: Any) -> Value | None:
        callee = callee_of(self.fndesc.typemap, expr.func)
        if callee not in PLACES:
            return super()._emit_call(type_, expr)
        if callee is _stubs.thread_idx:
            return self._index(type_, self.typeof(expr.args[1].name).literal_value)
        if callee in AXIS:
            return self._place(type_, AXIS[callee])
        if callee is _stubs.grid_1:
            return self._place(type_, 0)
        emit = self._index if callee is _stubs.thread_idx_3 else self._place
        parts = [emit(one, axis) for axis, one in enumerate(type_)]
        return Value((Shape.VARYING,) * len(parts), type_, parts)

    def _index(self, type_: Any, axis: int) -> Value:
        """Return the threads' indices in their block along an axis."""
        held = vectors.cast(self.builder, self._threads_at[axis], types.uint32, types.unliteral(type_))
        return Value(Shape.VARYING, types.unliteral(type_), held)

    def _place(self, type_: Any, axis: int) -> Value:
        """Return the threads' places in the grid along an axis."""
        builder = self.builder
        made = cgutils.create_struct_proxy(LoopContext)(self.context, builder, self._of_block)
        first = vectors.splat(builder, getattr(made, "place" + "xyz"[axis]), self.width)
        places = builder.add(first, builder.zext(self._threads_at[axis], first.type))
        held = vectors.cast(builder, places, types.int64, types.unliteral(type_))
        return Value(Shape.VARYING, types.unliteral(type_), held)
