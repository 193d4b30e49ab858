"""LLVM's masked intrinsics, in the form with an alignment, which every LLVM reads."""

# llvmlite types little of what it gives:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir
from numba.core import cgutils

from rkruntime.simt._registers import gathers_slowly, has_masks
from rkruntime.simt.lanes import _vectors as vectors

__all__ = ("gather", "load", "scatter", "spilled", "store")

INDEX, BIT = ir.IntType(32), ir.IntType(1)
WORD_BYTES = 4


def load(builder: ir.IRBuilder, vector: ir.VectorType, place: ir.Value, mask: ir.Value | None, align: int) -> ir.Value:
    """Load neighbours; lanes that are off have no value.

    Where registers have no masks, there is no such load of numbers of one or two bytes: LLVM makes a branch for each
    lane, so that most masks, which want all lanes, have a load of their own.

    Args:
        builder: Where to emit.
        vector: What to load.
        place: The first one's, a pointer.
        mask: The lanes that are on; None for all.
        align: Bytes of which the place is a multiple.
    """
    place = builder.bitcast(place, vector.as_pointer())
    if mask is None:
        loaded = builder.load(place)
        loaded.align = align
        return loaded
    if has_masks() or not _is_short(vector.element):
        return _load_some(builder, vector, place, mask, align)
    with builder.if_else(vectors.all_lanes(builder, mask), likely=True) as (every, some):
        with every:
            whole, whole_from = builder.load(place), builder.block
            whole.align = align
        with some:
            partly, partly_from = _load_some(builder, vector, place, mask, align), builder.block
    loaded = builder.phi(vector)
    loaded.add_incoming(whole, whole_from)
    loaded.add_incoming(partly, partly_from)
    return loaded


def _load_some(builder: ir.IRBuilder, vector: ir.VectorType, place: ir.Value, mask: ir.Value, align: int) -> ir.Value:
    args = [place, INDEX(align), mask, ir.Constant(vector, ir.Undefined)]
    return builder.call(_declared(builder, f"llvm.masked.load.{_kind(vector)}.p0", vector, args), args)


def store(builder: ir.IRBuilder, value: ir.Value, place: ir.Value, mask: ir.Value | None, align: int) -> None:
    """Store neighbours, where the mask is on.

    Where registers have no masks, such a store takes some ten times as long as one of all lanes (Zen 3), which most
    masks want.
    """
    place = builder.bitcast(place, value.type.as_pointer())
    if mask is None:
        builder.store(value, place).align = align
        return
    if has_masks():
        _store_some(builder, value, place, mask, align)
        return
    with builder.if_else(vectors.all_lanes(builder, mask), likely=True) as (every, some):
        with every:
            builder.store(value, place).align = align
        with some:
            _store_some(builder, value, place, mask, align)


def _store_some(builder: ir.IRBuilder, value: ir.Value, place: ir.Value, mask: ir.Value, align: int) -> None:
    args = [value, place, INDEX(align), mask]
    builder.call(_declared(builder, f"llvm.masked.store.{_kind(value.type)}.p0", ir.VoidType(), args), args)


def gather(builder: ir.IRBuilder, item: ir.Type, places: ir.Value, mask: ir.Value | None, align: int) -> ir.Value:
    """Load items from anywhere, given as a vector of integers; lanes that are off have no value."""
    if gathers_slowly():
        return _load_each(builder, item, places, mask, align)
    if has_masks() and _is_short(item):
        return _gather_short(builder, item, places, mask)
    vector = ir.VectorType(item, places.type.count)
    args = [_pointers(builder, item, places), INDEX(align), _every(places, mask), ir.Constant(vector, ir.Undefined)]
    name = f"llvm.masked.gather.{_kind(vector)}.v{vector.count}p0"
    return builder.call(_declared(builder, name, vector, args), args)


def _load_each(builder: ir.IRBuilder, item: ir.Type, places: ir.Value, mask: ir.Value | None, align: int) -> ir.Value:
    """Load items one by one; lanes that are off load from the stack, which takes no branch for each."""
    count = places.type.count
    if mask is not None:
        room = cgutils.alloca_once_value(builder, ir.Constant(places.type.element, 0))
        nowhere = builder.ptrtoint(room, places.type.element)
        places = builder.select(mask, places, vectors.splat(builder, nowhere, count))
    held = spilled(builder, places)
    loaded = ir.Constant(ir.VectorType(item, count), ir.Undefined)
    for k in range(count):
        place = builder.load(builder.gep(held, [INDEX(0), INDEX(k)]))
        one = builder.load(builder.inttoptr(place, item.as_pointer()))
        one.align = align
        loaded = builder.insert_element(loaded, one, INDEX(k))
    return loaded


def spilled(builder: ir.IRBuilder, vector: ir.Value) -> ir.Value:
    """Put a vector into memory: taking lanes from there costs less than from a register."""
    room = cgutils.alloca_once(builder, ir.ArrayType(vector.type.element, vector.type.count))
    room.align = 64
    builder.store(vector, builder.bitcast(room, vector.type.as_pointer())).align = 64
    return room


def _gather_short(builder: ir.IRBuilder, item: ir.IntType, places: ir.Value, mask: ir.Value | None) -> ir.Value:
    """Load items of one or two bytes: the four bytes that each is in, which no page comes between.

    Processors gather nothing shorter: LLVM would take the places from their registers one by one. Two bytes may be in
    two of these words, as fields of records are; numba's type of an array does not tell.
    """

    def filled(number: int) -> ir.Constant:
        return ir.Constant(places.type, [number] * places.type.count)

    def words_at(at: ir.Value, on: ir.Value | None) -> ir.Value:
        return gather(builder, INDEX, builder.and_(at, filled(-WORD_BYTES)), on, WORD_BYTES)

    before = builder.and_(places, filled(WORD_BYTES - 1))
    words = words_at(places, mask)
    found = builder.lshr(words, builder.trunc(builder.shl(before, filled(3)), words.type))
    if item.width > 8:
        parted = builder.icmp_unsigned("==", before, filled(WORD_BYTES - 1))
        parted = parted if mask is None else builder.and_(mask, parted)
        start = builder.block
        with builder.if_then(vectors.any_lane(builder, parted), likely=False):
            eight = ir.Constant(words.type, [8] * places.type.count)
            ends = builder.shl(words_at(builder.add(places, filled(1)), parted), eight)
            whole = builder.select(parted, builder.or_(found, ends), found)
            end = builder.block
        both = builder.phi(found.type)
        both.add_incoming(found, start)
        both.add_incoming(whole, end)
        found = both
    return builder.trunc(found, ir.VectorType(item, places.type.count))


def scatter(builder: ir.IRBuilder, value: ir.Value, places: ir.Value, mask: ir.Value | None, align: int) -> None:
    """Store items anywhere, where the mask is on; of two lanes with one place the later wins."""
    args = [value, _pointers(builder, value.type.element, places), INDEX(align), _every(places, mask)]
    name = f"llvm.masked.scatter.{_kind(value.type)}.v{value.type.count}p0"
    builder.call(_declared(builder, name, ir.VoidType(), args), args)


def _pointers(builder: ir.IRBuilder, item: ir.Type, places: ir.Value) -> ir.Value:
    return builder.inttoptr(places, ir.VectorType(item.as_pointer(), places.type.count))


def _every(places: ir.Value, mask: ir.Value | None) -> ir.Value:
    count = places.type.count
    return ir.Constant(ir.VectorType(BIT, count), [1] * count) if mask is None else mask


def _is_short(item: ir.Type) -> bool:
    return isinstance(item, ir.IntType) and item.width < 32


def _kind(vector: ir.VectorType) -> str:
    item = vector.element
    bits = f"i{item.width}" if isinstance(item, ir.IntType) else "f32" if item == ir.FloatType() else "f64"
    return f"v{vector.count}{bits}"


def _declared(builder: ir.IRBuilder, name: str, result: ir.Type, args: Sequence[ir.Value]) -> ir.Function:
    known = builder.module.globals.get(name)
    if known is not None:
        return known
    return ir.Function(builder.module, ir.FunctionType(result, [one.type for one in args]), name)
