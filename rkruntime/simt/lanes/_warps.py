"""What the threads of a warp do together, on lanes: a vector is a warp, so it is shuffles and bits of masks.

Blocks whose rows are not whole warps go to fibers. All threads of a warp that have not left come to such an operation
at once (`_leaving`), so those that take part are the lanes that are on, of those that the mask names. A lane that reads
from one that does not gets its own value, as on fibers.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.core.errors import TypingError

from rkruntime.simt import _stubs
from rkruntime.simt._context import LoopContext
from rkruntime.simt._intrinsics import check_vote
from rkruntime.simt._numba import intrinsic, overload, types
from rkruntime.simt._parts import INLINE
from rkruntime.simt.lanes import _vectors as vectors

__all__ = ("SHUFFLES", "VOTES", "WARP", "WARPS", "agreeing", "shuffled", "taking_part", "voted")

WARP = 32
BIT, BITS, WORD = ir.IntType(1), ir.IntType(32), ir.IntType(64)
SHUFFLES = (_stubs.shfl_sync, _stubs.shfl_up_sync, _stubs.shfl_down_sync, _stubs.shfl_xor_sync)
VOTES = (_stubs.all_sync, _stubs.any_sync, _stubs.eq_sync, _stubs.ballot_sync)
MATCHES = (_stubs.match_any_sync, _stubs.match_all_sync)
WARPS = (*SHUFFLES, *VOTES, *MATCHES, _stubs.syncwarp, _stubs.activemask)
TRAVEL = (types.int32, types.uint32, types.int64, types.uint64, types.float32, types.float64)


# Calls have a type and no code: the lowering emits what they do.


def _of(value):
    value = types.unliteral(value)
    if value not in TRAVEL:
        raise TypingError(f"warp operations take 32- and 64-bit integers and floats, not {value}")
    return value


@intrinsic
def _undefined(typing_context, like):
    """Return nothing in particular, of the type of `like`."""
    like = types.unliteral(like)
    return like(like), lambda context, builder, signature, args: ir.Constant(args[0].type, ir.Undefined)


def _define_shuffle(stub):
    @overload(stub, jit_options=INLINE)
    def define(ctx, mask, value, lane):
        if ctx != LoopContext:
            return None
        _of(value)
        return lambda ctx, mask, value, lane: _undefined(value)


def _define_vote(stub, answer):
    @overload(stub, jit_options=INLINE)
    def define(ctx, mask, predicate):
        if ctx != LoopContext:
            return None
        check_vote(mask, predicate)
        return answer


def _define_match(stub, answer):
    @overload(stub, jit_options=INLINE)
    def define(ctx, mask, value):
        if ctx != LoopContext:
            return None
        _of(value)
        return answer


for _stub in SHUFFLES:
    _define_shuffle(_stub)
for _vote in VOTES[:3]:
    _define_vote(_vote, lambda ctx, mask, predicate: predicate != 0)
_define_vote(_stubs.ballot_sync, lambda ctx, mask, predicate: np.int32(predicate != 0))
_define_match(_stubs.match_any_sync, lambda ctx, mask, value: np.int32(0))
_define_match(_stubs.match_all_sync, lambda ctx, mask, value: (np.int32(0), value == value))


@overload(_stubs.syncwarp, jit_options=INLINE)
def _syncwarp(ctx, mask):
    return (lambda ctx, mask: None) if ctx == LoopContext else None


@overload(_stubs.activemask, jit_options=INLINE)
def _activemask(ctx, site):
    return (lambda ctx, site: np.uint32(0)) if ctx == LoopContext else None


# What they do. A mask is bits: one word where it is the same for all lanes, else a vector of words.


def taking_part(builder: ir.IRBuilder, named: ir.Value, mask: ir.Value | None) -> ir.Value:
    """Return which lanes take part: those that are named, and on; `mask` None stands for all."""
    if mask is None:
        return named
    return builder.and_(named, _like(builder, builder.bitcast(mask, BITS), named))


def _like(builder: ir.IRBuilder, word: ir.Value, other: ir.Value) -> ir.Value:
    """Return a word as what another mask is: a word, or a vector of them."""
    return word if isinstance(other.type, ir.IntType) else vectors.splat(builder, word, WARP)


def _lanes(builder: ir.IRBuilder, number: int) -> ir.Constant:
    return ir.Constant(ir.VectorType(BITS, WARP), [number] * WARP)


def shuffled(
    builder: ir.IRBuilder, operation: Any, values: ir.Value, given: ir.Value, part: ir.Value | None
) -> ir.Value:
    """Return for each lane what the lane holds that it reads from.

    Args:
        builder: Where to emit.
        operation: One of SHUFFLES.
        values: What the lanes hold.
        given: The lane, or the distance to it: a word, or a vector of them.
        part: Who takes part; None for all.
    """
    own = vectors.iota(BITS, WARP)
    alone = isinstance(given.type, ir.IntType)
    given = builder.and_(given, BITS(WARP - 1) if alone else _lanes(builder, WARP - 1))
    spread = vectors.splat(builder, given, WARP) if alone else given
    source, inside = _sources(builder, operation, own, spread)
    if not alone:
        moved = _gathered(builder, values, builder.select(inside, source, own))
    elif operation is _stubs.shfl_sync:
        moved = vectors.splat(builder, builder.extract_element(values, given), WARP)
    else:
        moved = _moved(builder, operation, values, given)
    if part is not None:
        spread_part = vectors.splat(builder, part, WARP) if isinstance(part.type, ir.IntType) else part
        there = builder.lshr(spread_part, builder.and_(source, _lanes(builder, WARP - 1)))
        inside = builder.and_(inside, builder.trunc(there, ir.VectorType(BIT, WARP)))
    return builder.select(inside, moved, values)


def _sources(builder: ir.IRBuilder, operation: Any, own: ir.Value, given: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Return the lanes that are read from, and the mask of those that are in the warp."""
    every = ir.Constant(ir.VectorType(BIT, WARP), [1] * WARP)
    if operation is _stubs.shfl_sync:
        return given, every
    if operation is _stubs.shfl_xor_sync:
        return builder.xor(own, given), every
    if operation is _stubs.shfl_up_sync:
        return builder.sub(own, given), builder.icmp_unsigned(">=", own, given)
    source = builder.add(own, given)
    return source, builder.icmp_unsigned("<", source, _lanes(builder, WARP))


_STEP: Mapping[Any, Callable[[int, int], int]] = {
    _stubs.shfl_up_sync: lambda lane, step: max(lane - step, 0),
    _stubs.shfl_down_sync: lambda lane, step: min(lane + step, WARP - 1),
    _stubs.shfl_xor_sync: lambda lane, step: lane ^ step,
}


def _moved(builder: ir.IRBuilder, operation: Any, values: ir.Value, distance: ir.Value) -> ir.Value:
    """Move all lanes by one distance: by each power of two that it is made of, so that a constant is one shuffle."""
    nothing = ir.Constant(values.type, ir.Undefined)
    for step in (16, 8, 4, 2, 1):
        places = ir.Constant(ir.VectorType(BITS, WARP), [_STEP[operation](lane, step) for lane in range(WARP)])
        further = builder.shuffle_vector(values, nothing, places)
        wanted = builder.icmp_unsigned("!=", builder.and_(distance, BITS(step)), BITS(0))
        values = builder.select(wanted, further, values)
    return values


def _gathered(builder: ir.IRBuilder, values: ir.Value, lanes: ir.Value) -> ir.Value:
    """Return what the given lanes hold."""
    item = values.type.element
    room = cgutils.alloca_once(builder, values.type)
    builder.store(values, room)
    wide = builder.zext(lanes, ir.VectorType(WORD, WARP))
    start = vectors.splat(builder, builder.ptrtoint(room, WORD), WARP)
    item_bytes = item.width // 8 if isinstance(item, ir.IntType) else 4 if item == ir.FloatType() else 8
    offsets = builder.mul(wide, ir.Constant(wide.type, [item_bytes] * WARP))
    pointers = builder.inttoptr(builder.add(start, offsets), ir.VectorType(item.as_pointer(), WARP))
    kind = f"i{item.width}" if isinstance(item, ir.IntType) else "f32" if item_bytes == 4 else "f64"
    on = ir.Constant(ir.VectorType(BIT, WARP), [1] * WARP)
    args = [pointers, BITS(item_bytes), on, ir.Constant(values.type, ir.Undefined)]
    name = f"llvm.masked.gather.v{WARP}{kind}.v{WARP}p0"
    known = builder.module.globals.get(name)
    function = known or ir.Function(builder.module, ir.FunctionType(values.type, [one.type for one in args]), name)
    return builder.call(function, args)


def voted(builder: ir.IRBuilder, operation: Any, predicate: ir.Value, part: ir.Value) -> ir.Value:
    """Return what lanes hear that vote.

    Args:
        builder: Where to emit.
        operation: One of VOTES.
        predicate: A mask.
        part: Who takes part: bits.
    """
    ballot = builder.and_(_like(builder, builder.bitcast(predicate, BITS), part), part)
    if operation is _stubs.ballot_sync:
        return ballot
    nobody = builder.icmp_unsigned("==", ballot, ir.Constant(ballot.type, None))
    everybody = builder.icmp_unsigned("==", ballot, part)
    if operation is _stubs.any_sync:
        return builder.not_(nobody)
    return everybody if operation is _stubs.all_sync else builder.or_(everybody, nobody)


def agreeing(builder: ir.IRBuilder, values: ir.Value) -> ir.Value:
    """Return for each lane which lanes hold the same bits, those that are off too: a vector of words."""
    item = values.type.element
    bits = ir.IntType(item.width if isinstance(item, ir.IntType) else 32 if item == ir.FloatType() else 64)
    raw = builder.bitcast(values, ir.VectorType(bits, WARP))
    found = cgutils.alloca_once_value(builder, _lanes(builder, 0))
    builder.store(_lanes(builder, 0), found)
    with cgutils.for_range(builder, BITS(WARP)) as turn:
        same = builder.icmp_unsigned("==", raw, vectors.splat(builder, builder.extract_element(raw, turn.index), WARP))
        bit = vectors.splat(builder, builder.shl(BITS(1), turn.index), WARP)
        new = builder.select(same, bit, _lanes(builder, 0))
        builder.store(builder.or_(builder.load(found), new), found)
    return builder.load(found)
