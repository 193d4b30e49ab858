"""What barriers tell that count: how many threads of a block came, and how many with a true predicate."""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from rkruntime.simt import _stubs

__all__ = ("Tally",)

COUNT = ir.IntType(32)


class Tally:
    """Two numbers on the stack of the function that runs a block.

    Args:
        builder: Whose function.
    """

    def __init__(self, builder: ir.IRBuilder) -> None:
        self._met, self._true = (cgutils.alloca_once(builder, COUNT, name=name) for name in ("met", "true"))

    def clear(self, builder: ir.IRBuilder) -> None:
        """Begin anew."""
        for place in (self._met, self._true):
            builder.store(COUNT(0), place)

    def add(self, builder: ir.IRBuilder, predicate: ir.Value, mask: ir.Value | None) -> None:
        """Count the threads of one vector; `mask` None stands for all."""
        on = ir.Constant(predicate.type, [1] * predicate.type.count) if mask is None else mask
        for place, counted in ((self._met, on), (self._true, builder.and_(on, predicate))):
            builder.store(builder.add(builder.load(place), _lanes(builder, counted)), place)

    def answer(self, builder: ir.IRBuilder, barrier: Any) -> ir.Value:
        """Return what a barrier tells, int32."""
        met, true = builder.load(self._met), builder.load(self._true)
        if barrier is _stubs.syncthreads_count:
            return true
        if barrier is _stubs.syncthreads_and:
            return builder.zext(builder.icmp_unsigned("==", met, true), COUNT)
        return builder.zext(builder.icmp_unsigned("!=", true, COUNT(0)), COUNT)


def _lanes(builder: ir.IRBuilder, mask: ir.Value) -> ir.Value:
    """Return how many lanes of a mask are on."""
    bits = builder.ctpop(builder.bitcast(mask, ir.IntType(mask.type.count)))
    if bits.type.width == COUNT.width:
        return bits
    return builder.zext(bits, COUNT) if bits.type.width < COUNT.width else builder.trunc(bits, COUNT)
