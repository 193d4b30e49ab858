"""A worker's own copies of arrays that a kernel only adds to: made before a chunk of blocks, merged after it.

A copy is worth its while where it is small beside the chunk's threads; and an array that shares memory with another
argument has none, since the kernel might read it through that. Which arguments have one is a word of the state record.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numba.np.arrayobj import make_array

from rkruntime.simt import _state
from rkruntime.simt._numba import intrinsic, types
from rkruntime.simt.lanes._atomics import NUMBERS, add_to

__all__ = ("can_be_copied", "make_copies")

WORD, BYTE, BIT = ir.IntType(64), ir.IntType(8), ir.IntType(1)
MOST_BYTES = 32 * 1024


def can_be_copied(type_: Any) -> bool:
    """Whether an argument is an array that a copy can stand for."""
    return isinstance(type_, types.Array) and type_.ndim == 1 and type_.layout == "C" and type_.dtype in NUMBERS


def make_copies(private: tuple[int, ...]) -> tuple[Any, Any]:
    """Make what a run of blocks begins and ends with.

    Returns:
        `take(args, state, threads)`, which returns the arguments with copies in place of some, and `merge(args,
        state)`, which adds what the copies hold to the arrays themselves.

    Args:
        private: Which arguments are only added to.
    """
    if not private:
        return _nothing_taken, _nothing_merged

    @intrinsic
    def take(typing_context, args, state, threads):
        def codegen(context, builder, signature, values):
            held, word, bits = values[0], _word(builder, values[1]), WORD(0)
            parts = {k: _part(context, builder, args, held, k) for k in range(len(args))}
            for k in private:
                room, view = _room(builder, k), parts[k]
                wanted = _worth_it(builder, view, values[2])
                for other in (one for j, one in parts.items() if j != k and one is not None):
                    wanted = builder.and_(wanted, builder.not_(_overlap(builder, view, other)))
                with builder.if_then(wanted):
                    size = builder.mul(view.nitems, view.itemsize)
                    cgutils.memset(builder, room, size, 0)
                real = view.data
                view.data = builder.select(wanted, builder.bitcast(room, real.type), real)
                held = builder.insert_value(held, view._getvalue(), k)
                bits = builder.or_(bits, builder.shl(builder.zext(wanted, WORD), WORD(k)))
            builder.store(bits, word)
            return impl_ret_borrowed(context, builder, args, held)

        return args(args, types.int64, types.int64), codegen

    @intrinsic
    def merge(typing_context, args, state):
        def codegen(context, builder, signature, values):
            bits = builder.load(_word(builder, values[1]))
            for k in private:
                view, dtype = _part(context, builder, args, values[0], k), args[k].dtype
                has_copy = builder.icmp_unsigned("!=", builder.and_(bits, WORD(1 << k)), WORD(0))
                with builder.if_then(has_copy), cgutils.for_range(builder, view.nitems) as at:
                    own = builder.load(builder.gep(builder.bitcast(_room(builder, k), view.data.type), [at.index]))
                    zero = ir.Constant(own.type, 0)
                    some = (
                        builder.icmp_signed("!=", own, zero)
                        if isinstance(dtype, types.Integer)
                        else builder.fcmp_unordered("!=", own, zero)
                    )
                    with builder.if_then(some):
                        add_to(builder, dtype, builder.gep(view.data, [at.index]), own)
            builder.store(WORD(0), _word(builder, values[1]))
            return context.get_dummy_value()

        return types.none(args, types.int64), codegen

    return take, merge


@intrinsic
def _nothing_taken(typing_context, args, state, threads):
    def codegen(context, builder, signature, values):
        return impl_ret_borrowed(context, builder, args, values[0])

    return args(args, types.int64, types.int64), codegen


@intrinsic
def _nothing_merged(typing_context, args, state):
    def codegen(context, builder, signature, values):
        return context.get_dummy_value()

    return types.none(args, types.int64), codegen


def _word(builder: ir.IRBuilder, state: ir.Value) -> ir.Value:
    return builder.inttoptr(builder.add(state, WORD(8 * _state.COPIES)), WORD.as_pointer())


def _part(context: Any, builder: ir.IRBuilder, args: Any, held: ir.Value, k: int) -> Any:
    """Return an array among the arguments, or None where it is none."""
    if not isinstance(args[k], types.Array):
        return None
    return make_array(args[k])(context, builder, builder.extract_value(held, k))


def _room(builder: ir.IRBuilder, k: int) -> ir.Value:
    """Return the stack's room for the copy of an argument, the same for one function."""
    name = f"copy_{k}"
    entry = builder.function.entry_basic_block
    known = next((one for one in entry.instructions if one.name == name), None)
    if known is None:
        with builder.goto_entry_block():
            known = builder.alloca(ir.ArrayType(BYTE, MOST_BYTES), name=name)
        known.align = 64
    return builder.bitcast(known, BYTE.as_pointer())


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
