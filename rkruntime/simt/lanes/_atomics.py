"""Atomic operations of all lanes.

Where they meet at one place and nobody asks for the old value, their operands are combined first. Otherwise one lane
after the other does its own; on memory that no other worker sees, which shared arrays are, without an atomic
instruction, as a block is run by one worker alone.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
from llvmlite import ir
from numba.core import cgutils

from rkruntime.simt import _stubs
from rkruntime.simt._numba import types
from rkruntime.simt.lanes import _masked as masked
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._memory import Places

__all__ = ("NUMBERS", "Update", "add_to", "combinable", "emit_combined", "emit_one_by_one", "takes")

INDEX, WORD = ir.IntType(32), ir.IntType(64)
ORDER = "seq_cst"
AT_ONCE = 8  # updates of one's own memory without a branch in between; an atomic instruction takes longer than a branch
REALS = (types.float32, types.float64)
NUMBERS = (*REALS, types.int32, types.uint32, types.int64, types.uint64)
_INTEGERS: Mapping[Any, str] = {
    _stubs.atomic_add: "add",
    _stubs.atomic_sub: "sub",
    _stubs.atomic_and: "and",
    _stubs.atomic_or: "or",
    _stubs.atomic_xor: "xor",
    _stubs.atomic_max: "max",
    _stubs.atomic_min: "min",
    _stubs.atomic_exch: "xchg",
}
_REALS: Mapping[Any, str] = {_stubs.atomic_add: "fadd", _stubs.atomic_sub: "fsub"}


@attrs.frozen
class Update:
    """What is done to an element.

    Args:
        callee: The function of `_stubs`.
        dtype: Numba's type of the element.
        alone: Whether no other worker sees the memory: True or False, or a bit that tells when the kernel runs.
    """

    callee: Any
    dtype: Any
    alone: Any

    @property
    def name(self) -> str:
        """LLVM's name of the operation."""
        name = (_REALS if self.dtype in REALS else _INTEGERS)[self.callee]
        return "u" + name if name in ("max", "min") and not self.dtype.signed else name


def takes(callee: Any, dtype: Any) -> bool:
    """Whether an operation on elements of a type is one of those here."""
    if dtype in REALS:
        return callee in _REALS
    return isinstance(dtype, types.Integer) and dtype.bitwidth in (32, 64) and callee in _INTEGERS


def combinable(update: Update) -> bool:
    """Whether lanes' operands can be combined to one."""
    return update.name != "xchg"


# All lanes at one place


def emit_combined(
    builder: ir.IRBuilder, update: Update, pointer: ir.Value, values: ir.Value, mask: ir.Value | None
) -> None:
    """Combine the operands of the lanes that are on, and update the element once."""
    vector, name = values.type, update.name
    neutral = _neutral(update)
    if mask is not None:
        values = builder.select(mask, values, ir.Constant(vector, [neutral] * vector.count))
    how = {"sub": "add", "fsub": "fadd", "max": "smax", "min": "smin"}.get(name, name)
    total = vectors.reduced(builder, how, values)
    _by_privacy(builder, update, lambda alone: _update(builder, update, pointer, total, alone=alone))


def _neutral(update: Update) -> Any:
    bits, name = update.dtype.bitwidth, update.name
    if update.dtype in REALS:
        return -0.0
    if name == "and" or name == "umin":
        return -1
    return {"max": -(2 ** (bits - 1)), "min": 2 ** (bits - 1) - 1}.get(name, 0)


# One by one


def emit_one_by_one(
    builder: ir.IRBuilder,
    update: Update,
    places: Places,
    values: ir.Value,
    mask: ir.Value | None,
    *,
    wants_old: bool,
) -> ir.Value:
    """Have each lane that is on update its element; return the old ones, undefined where they are not wanted.

    Args:
        builder: Where to emit.
        update: What is done.
        places: Where.
        values: The operands: a vector, or one for all.
        mask: The lanes that are on; None for all.
        wants_old: Whether anything reads the old ones.
    """
    count, differ = places.held.type.count, isinstance(values.type, ir.VectorType)
    element = values.type.element if differ else values.type
    rooms = [masked.spilled(builder, one) for one in ((places.held, values) if differ else (places.held,))]
    olds = cgutils.alloca_once(builder, ir.ArrayType(element, count))
    olds.align = 64

    def turn(lane: ir.Value, alone: bool) -> None:
        place, *value = (builder.load(builder.gep(room, [INDEX(0), lane])) for room in rooms)
        operand = value[0] if differ else values
        old = _update(builder, update, places.pointer(place), operand, alone=alone)
        if wants_old:
            builder.store(old, builder.gep(olds, [INDEX(0), lane]))

    def every_turn(alone: bool) -> None:
        if not alone:  # an atomic instruction waits for its element, and the next for it
            with cgutils.for_range(builder, vectors.opaque(builder, INDEX(count))) as at:
                place = builder.load(builder.gep(rooms[0], [INDEX(0), at.index]))
                _prefetch(builder, places.pointer(place))
        at_once = min(count, AT_ONCE) if alone else 1
        # Of a loop of so many turns, LLVM would make one long piece that takes lanes from registers, which is slower.
        with cgutils.for_range(builder, vectors.opaque(builder, INDEX(count // at_once))) as at:
            first = builder.mul(at.index, INDEX(at_once))
            for k in range(at_once):
                turn(builder.add(first, INDEX(k)), alone)

    def all_turns(alone: bool) -> None:
        if mask is None:
            every_turn(alone)
            return
        with builder.if_else(vectors.all_lanes(builder, mask)) as (whole, some):
            with whole:
                every_turn(alone)
            with some, vectors.each_lane(builder, mask) as lane:
                turn(lane, alone)

    _by_privacy(builder, update, all_turns)
    vector = ir.VectorType(element, count)
    if not wants_old:
        return ir.Constant(vector, ir.Undefined)
    return builder.load(builder.bitcast(olds, vector.as_pointer()), align=64)


def _prefetch(builder: ir.IRBuilder, pointer: ir.Value) -> None:
    """Have memory brought near that is about to be written."""
    byte = builder.bitcast(pointer, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [byte.type, INDEX, INDEX, INDEX])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [byte, INDEX(1), INDEX(3), INDEX(1)])  # to write, into the nearest cache, data


def _by_privacy(builder: ir.IRBuilder, update: Update, emit: Callable[[bool], object]) -> None:
    """Emit for memory of one's own, for memory that others see, or for either, as the kernel finds when it runs."""
    if isinstance(update.alone, bool):
        emit(update.alone)
        return
    with builder.if_else(update.alone) as (own, others):
        with own:
            emit(True)
        with others:
            emit(False)


def _update(builder: ir.IRBuilder, update: Update, pointer: ir.Value, value: ir.Value, *, alone: bool) -> ir.Value:
    """Update one element; return the old one."""
    name = update.name
    if not alone:
        if name in ("fadd", "fsub"):
            return _exchanged(builder, name, pointer, value)
        return builder.atomic_rmw(name, pointer, value, ORDER)
    old = builder.load(pointer)
    if name in ("max", "min", "umax", "umin"):
        compare = builder.icmp_unsigned if name.startswith("u") else builder.icmp_signed
        new = builder.select(compare(">" if name.endswith("max") else "<", value, old), value, old)
    elif name == "xchg":
        new = value
    else:
        new = getattr(builder, {"and": "and_", "or": "or_"}.get(name, name))(old, value)
    builder.store(new, pointer)
    return old


def add_to(builder: ir.IRBuilder, dtype: Any, pointer: ir.Value, value: ir.Value) -> None:
    """Add to an element that other workers add to as well."""
    _update(builder, Update(_stubs.atomic_add, dtype, False), pointer, value, alone=False)


def _exchanged(builder: ir.IRBuilder, name: str, pointer: ir.Value, value: ir.Value) -> ir.Value:
    """Add to a real number by exchanging it until nobody interferes; return the old one."""
    bits = ir.IntType(32 if value.type == ir.FloatType() else 64)
    raw = builder.bitcast(pointer, bits.as_pointer())
    first = builder.load_atomic(raw, "monotonic", bits.width // 8, typ=bits)
    start, again, done = builder.block, builder.append_basic_block("again"), builder.append_basic_block("exchanged")
    builder.branch(again)
    builder.position_at_end(again)
    seen = builder.phi(bits)
    seen.add_incoming(first, start)
    old = builder.bitcast(seen, value.type)
    answer = builder.cmpxchg(raw, seen, builder.bitcast(getattr(builder, name)(old, value), bits), ORDER, ORDER)
    seen.add_incoming(builder.extract_value(answer, 0), builder.block)
    builder.cbranch(builder.extract_value(answer, 1), done, again)
    builder.position_at_end(done)
    return old
