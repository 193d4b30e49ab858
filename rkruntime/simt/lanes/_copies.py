"""A worker's own copies of arrays that a kernel only adds to: made before a chunk of blocks, merged after it.

A copy is worth its while where it is small beside the chunk's threads; and an array that shares memory with another
argument has none, since the kernel might read it through that. Which arguments have one is a word of the state record.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.np.arrayobj import make_array

from rkruntime.simt import _state
from rkruntime.simt._numba import types
from rkruntime.simt.lanes._atomics import NUMBERS, add_to

__all__ = ("MOST_BYTES", "can_be_copied", "emit_merge", "emit_take")

WORD = ir.IntType(64)
MOST_BYTES = 32 * 1024
Rooms = Mapping[int, ir.Value]


def can_be_copied(type_: Any) -> bool:
    """Whether an argument is an array that a copy can stand for."""
    return isinstance(type_, types.Array) and type_.ndim == 1 and type_.layout == "C" and type_.dtype in NUMBERS


def emit_take(
    context: Any,
    builder: ir.IRBuilder,
    argument_types: Sequence[Any],
    held: Sequence[ir.Value],
    rooms: Rooms,
    state: ir.Value,
    threads: ir.Value,
) -> list[ir.Value]:
    """Emit what a run of blocks begins with; return the arguments with copies in place of some.

    Args:
        context: Numba's target context.
        builder: Where to emit.
        argument_types: Numba's types of the arguments.
        held: Them.
        rooms: Which arguments are only added to, each with MOST_BYTES of room for a copy.
        state: The address of the state record.
        threads: How many threads are to run.
    """
    bits, mine = WORD(0), list(held)
    parts = [_part(context, builder, *pair) for pair in zip(argument_types, held, strict=True)]
    for k, room in rooms.items():
        view = parts[k]
        wanted = _worth_it(builder, view, threads)
        for other in (one for j, one in enumerate(parts) if j != k and one is not None):
            wanted = builder.and_(wanted, builder.not_(_overlap(builder, view, other)))
        with builder.if_then(wanted):
            cgutils.memset(builder, room, builder.mul(view.nitems, view.itemsize), 0)
        real = view.data
        view.data = builder.select(wanted, builder.bitcast(room, real.type), real)
        mine[k] = view._getvalue()
        view.data = real
        bits = builder.or_(bits, builder.shl(builder.zext(wanted, WORD), WORD(k)))
    builder.store(bits, _word(builder, state))
    return mine


def emit_merge(
    context: Any,
    builder: ir.IRBuilder,
    argument_types: Sequence[Any],
    held: Sequence[ir.Value],
    rooms: Rooms,
    state: Any,
) -> None:
    """Emit what a run of blocks ends with: it adds what the copies hold to the arrays themselves."""
    bits = builder.load(_word(builder, state))
    for k, room in rooms.items():
        view, dtype = _part(context, builder, argument_types[k], held[k]), argument_types[k].dtype
        has_copy = builder.icmp_unsigned("!=", builder.and_(bits, WORD(1 << k)), WORD(0))
        with builder.if_then(has_copy), cgutils.for_range(builder, view.nitems) as at:
            own = builder.load(builder.gep(builder.bitcast(room, view.data.type), [at.index]))
            zero = ir.Constant(own.type, 0)
            some = (
                builder.icmp_signed("!=", own, zero)
                if isinstance(dtype, types.Integer)
                else builder.fcmp_unordered("!=", own, zero)
            )
            with builder.if_then(some):
                add_to(builder, dtype, builder.gep(view.data, [at.index]), own)
    builder.store(WORD(0), _word(builder, state))


def _word(builder: ir.IRBuilder, state: ir.Value) -> ir.Value:
    return builder.inttoptr(builder.add(state, WORD(8 * _state.COPIES)), WORD.as_pointer())


def _part(context: Any, builder: ir.IRBuilder, type_: Any, held: ir.Value) -> Any:
    """Return an argument that is an array, or None where it is none."""
    return make_array(type_)(context, builder, held) if isinstance(type_, types.Array) else None


def _worth_it(builder: ir.IRBuilder, view: Any, threads: ir.Value) -> ir.Value:
    small = builder.icmp_unsigned("<=", builder.mul(view.nitems, view.itemsize), WORD(MOST_BYTES))
    return builder.and_(small, builder.icmp_unsigned("<=", view.nitems, threads))


def _overlap(builder: ir.IRBuilder, one: Any, other: Any) -> ir.Value:
    """Return whether two arrays may share memory: their first to their last bytes do."""
    (low, high), (other_low, other_high) = _span(builder, one), _span(builder, other)
    return builder.and_(builder.icmp_unsigned("<", low, other_high), builder.icmp_unsigned("<", other_low, high))


def _span(builder: ir.IRBuilder, view: Any) -> tuple[ir.Value, ir.Value]:
    low = builder.ptrtoint(view.data, WORD)
    high = builder.add(low, view.itemsize)
    for extent, stride in zip(
        cgutils.unpack_tuple(builder, view.shape), cgutils.unpack_tuple(builder, view.strides), strict=True
    ):
        reach = builder.mul(builder.sub(extent, WORD(1)), stride)
        down = builder.icmp_signed("<", reach, WORD(0))
        low = builder.add(low, builder.select(down, reach, WORD(0)))
        high = builder.add(high, builder.select(down, WORD(0), reach))
    return low, high
