"""The variables of a kernel on lanes: what each holds for all lanes, and for one of them."""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from llvmlite import ir as llvm
from numba.core import cgutils
from numba.core.lowering import Lower

from rkruntime.simt import _state
from rkruntime.simt._borrowed import without_counts
from rkruntime.simt._context import BLOCK_MASK, THREAD_MASK, LoopContext
from rkruntime.simt._numba import types
from rkruntime.simt._refused import refused_at
from rkruntime.simt.lanes import _complex as complexes
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._arguments import taken_apart
from rkruntime.simt.lanes._narrow import NARROW
from rkruntime.simt.lanes._shapes import Form, Shape, Shapes, is_uniform, parts_of, varying
from rkruntime.simt.lanes._slots import Slot, Value
from rkruntime.simt.lanes._turns import LaneTurns

__all__ = ("LaneValues",)

INDEX, WORD = llvm.IntType(32), llvm.IntType(64)
PLACE_MASK = 2**62 - 1


class LaneValues(Lower):
    """Numba's lowering, with variables that differ among lanes.

    Numba's own methods ask for variables with `loadvar`. Within `_as_lane` they get what one lane has.
    """

    width: int
    private: frozenset[int]  # arguments of which a worker may have a copy
    blocks: Any
    shapes: Shapes
    _slots: dict[str, Slot]
    _narrow: frozenset[str]  # variables of which low bits are enough
    _lane: llvm.Value | None
    _mask: llvm.Value | None
    _target: str  # the variable that is being assigned
    _origins: dict[str, Any]
    _counters: dict[str, str]
    _copies_held: llvm.Value | None
    _turns: LaneTurns | None = None  # while lanes have their turns, one after the other

    def extract_function_arguments(self) -> list[llvm.Value]:
        """Return the arguments, which the function begins with."""
        raw = self.call_conv.get_arguments(self.function)
        self.fnargs: list[llvm.Value] = taken_apart(self.builder, self.fndesc.argtypes, raw)
        return self.fnargs

    def incref(self, typ: Any, val: llvm.Value) -> None:
        """Count nothing: what a kernel works on outlives it."""

    def decref(self, typ: Any, val: llvm.Value) -> None:
        """Likewise."""

    def post_lower(self) -> None:
        """Have numba's own code for expressions count nothing either."""
        super().post_lower()
        without_counts(self.module)

    def _slot(self, name: str) -> Slot:
        slot = self._slots.get(name)
        if slot is None:
            form, type_ = self.shapes.form(name), self._kept_type(name)
            slot = self._slots[name] = Slot(self.context, self.builder, type_, form, self.width, name)
        return slot

    def _kept_type(self, name: str) -> Any:
        """Return the type as which a variable is kept: of numbers that differ, no more than is asked for."""
        type_ = self.typeof(name)
        return NARROW[type_] if name in self._narrow and self.shapes.form(name) is Shape.VARYING else type_

    def _value(self, name: str) -> Value:
        """Return a variable for all lanes."""
        if is_uniform(self.shapes.form(name)):
            return Value(Shape.UNIFORM, self.typeof(name), super().loadvar(name))
        return self._slot(name).load(self.builder)

    def loadvar(self, name: str) -> llvm.Value:
        """Return a variable as numba's lowering wants it: of the lane at hand."""
        if self._lane is None or (is_uniform(self.shapes.form(name)) and self.typeof(name) != LoopContext):
            return super().loadvar(name)
        if self.typeof(name) == LoopContext:
            return self._context_of(super().loadvar(name), self._lane)
        slot = self._slot(name)
        return self.context.cast(self.builder, self._of_lane(slot, self._lane), slot.type, self.typeof(name))

    def _of_lane(self, slot: Slot, lane: llvm.Value) -> llvm.Value:
        """Return one lane's part of what a slot holds, as numba has it."""
        builder = self.builder
        if slot.is_vector and self._turns is not None:
            return self._turns.load(slot, lane)
        if slot.parts:
            parts = [self._of_lane(one, lane) for one in slot.parts]
            if isinstance(slot.type, types.Complex):
                return complexes.joined(self.context, builder, slot.type, parts)
            return self.context.make_tuple(builder, slot.type, parts)
        if slot.form is Shape.VARYING and not slot.is_vector:
            return builder.load(builder.gep(slot.pointer, [INDEX(0), lane]))
        held = builder.load(slot.pointer)
        if is_uniform(slot.form):
            return held
        if slot.form is Shape.RAMP:
            return builder.add(held, _resized(builder, lane, held.type))
        return builder.extract_element(held, lane)

    def _state_word(self, number: int) -> llvm.Value:
        """Return the address of a word of the state record."""
        context = next(k for k, one in enumerate(self.fndesc.argtypes) if one == LoopContext)
        state = cgutils.create_struct_proxy(LoopContext)(self.context, self.builder, self.fnargs[context]).state
        return self.builder.inttoptr(self.builder.add(state, WORD(8 * number)), WORD.as_pointer())

    def _has_copy(self, argument: int) -> llvm.Value:
        """Return whether the worker has a copy of its own of an argument, a bit."""
        if self._copies_held is None:
            with self.builder.goto_entry_block():
                self._copies_held = self.builder.load(self._state_word(_state.COPIES))
        mine = self.builder.and_(self._copies_held, WORD(1 << argument))
        return self.builder.icmp_unsigned("!=", mine, WORD(0))

    def _bounded(self, held: llvm.Value) -> llvm.Value:
        """Return a context with its indices masked to what they can be, so that LLVM sees none is negative."""
        made = cgutils.create_struct_proxy(LoopContext)(self.context, self.builder, held)
        for axis in "xyz":
            for kind, mask in (("thread", THREAD_MASK), ("block", BLOCK_MASK), ("place", PLACE_MASK)):
                field = getattr(made, kind + axis)
                setattr(made, kind + axis, self.builder.and_(field, llvm.Constant(field.type, mask)))
        return made._getvalue()

    def _context_of(self, held: llvm.Value, lane: llvm.Value) -> llvm.Value:
        """Return the context of one lane's thread."""
        made = cgutils.create_struct_proxy(LoopContext)(self.context, self.builder, held)
        made.threadx = self.builder.add(made.threadx, lane)
        made.placex = self.builder.add(made.placex, self.builder.zext(lane, WORD))
        return made._getvalue()

    def _vector(self, value: Value, type_: Any) -> llvm.Value | None:
        """Return a number of all lanes as a vector of a type; None where it is none."""
        if isinstance(value.held, list) or not vectors.fits_lane(value.type):
            return None
        builder = self.builder
        if isinstance(value.type, types.Record):
            if type_ != value.type:
                return None
            return value.held if value.form is Shape.VARYING else vectors.splat(builder, value.held, self.width)
        if value.form is Shape.VARYING:
            return vectors.cast(builder, value.held, value.type, type_)
        given, held = types.unliteral(value.type), value.held
        if value.form is Shape.RAMP:
            base = self.context.cast(builder, held, given, types.int64 if _is_wider(type_, given) else given)
            wide = types.int64 if _is_wider(type_, given) else given
            ramp = builder.add(vectors.splat(builder, base, self.width), vectors.iota(base.type, self.width))
            return vectors.cast(builder, ramp, wide, type_)
        if not vectors.is_number(type_):
            return None
        return vectors.splat(builder, self.context.cast(builder, held, value.type, types.unliteral(type_)), self.width)

    def _pair(self, value: Value, type_: Any) -> complexes.Pair | None:
        """Return a number of all lanes as the two vectors of a complex type; None where it is none."""
        part, given = type_.underlying_float, value.type
        if isinstance(given, types.Complex) and isinstance(value.held, list):
            parts = value.held
        elif isinstance(given, types.Complex):
            held = complexes.parted(self.context, self.builder, given, value.held)
            parts = [Value(Shape.UNIFORM, given.underlying_float, one) for one in held]
        else:
            parts = [value, Value(Shape.UNIFORM, part, self.context.get_constant(part, 0))]
        real, imag = (self._vector(one, part) for one in parts)
        return None if real is None or imag is None else (real, imag)

    def _numbers(self, value: Value, type_: Any) -> Any:
        """Return numbers of all lanes as memory takes them: a vector, or two of complex ones; None for what is none."""
        return self._pair(value, type_) if isinstance(type_, types.Complex) else self._vector(value, type_)

    def _of_numbers(self, type_: Any, held: Any) -> Value:
        """Return what `_numbers` took apart: numbers of a type, different in all lanes."""
        if isinstance(type_, types.Complex):
            held = [Value(Shape.VARYING, type_.underlying_float, one) for one in held]
        return Value(varying(type_), type_, held)

    def _records_at(self, type_: Any, places: llvm.Value) -> Value:
        """Return the records of a type that lie at places, a vector of integers."""
        pointers = llvm.VectorType(self.context.get_value_type(type_), self.width)
        return Value(Shape.VARYING, type_, self.builder.inttoptr(places, pointers))

    def _fit(self, value: Value, type_: Any, form: Form) -> Any:
        """Return what a slot of a type and form keeps of a value."""
        if isinstance(form, tuple) and isinstance(type_, types.Complex):
            pair = self._pair(value, type_)
            assert pair is not None, f"{value.type} as {type_}"
            return pair
        if isinstance(form, tuple):
            parts = parts_of(type_)
            assert parts is not None
            return [self._fit(*one) for one in zip(self._in_parts(value), parts, form, strict=True)]
        if form is Shape.VARYING:
            held = self._vector(value, type_)
            if held is None:
                raise refused_at(self.loc, f"{type_} differs among threads")
            return held
        return self.context.cast(self.builder, value.held, value.type, type_)

    def _in_parts(self, value: Value) -> list[Value]:
        """Return the parts of a tuple or a range; of one that is the same for all lanes, numba has a whole."""
        if isinstance(value.held, list):
            return value.held
        parts = parts_of(value.type) if isinstance(value.type, types.BaseTuple | types.RangeType) else None
        if parts is None:
            raise refused_at(self.loc, f"{value.type} is the same for some threads alone")
        held = cgutils.unpack_tuple(self.builder, value.held, len(parts))
        return [Value(value.form, *one) for one in zip(parts, held, strict=True)]

    # Lane by lane

    def _first_lane(self) -> llvm.Value:
        """Return a lane that is on."""
        return INDEX(0) if self._mask is None else vectors.first_lane(self.builder, self._mask)

    @contextmanager
    def _as_lane(self, lane: llvm.Value | None):
        self._lane, before = lane, self._lane
        yield
        self._lane = before

    def _for_each_lane(self, emit: Callable[[llvm.Value], object]) -> None:
        """Have every lane that is on do something, one after the other."""
        builder, self._turns = self.builder, LaneTurns(self.builder)
        if self._mask is None:
            # Of a loop of so many turns, LLVM would make one long piece that takes lanes from registers.
            with cgutils.for_range(builder, vectors.opaque(builder, INDEX(self.width))) as turn:
                self._do_as(turn.index, emit)
        else:
            with vectors.each_lane(builder, self._mask) as lane:
                self._do_as(lane, emit)
        turns, self._turns = self._turns, None
        turns.end()

    def _store_lane(self, slot: Slot, lane: llvm.Value, value: llvm.Value) -> None:
        """Keep what a lane has in its turn, given as numba has it."""
        assert self._turns is not None
        self._turns.store(slot, lane, value)

    def _do_as(self, lane: llvm.Value, emit: Callable[[llvm.Value], object]) -> None:
        self._note_lane(lane)
        with self._as_lane(lane):
            emit(lane)

    def _note_lane(self, lane: llvm.Value) -> None:
        """Write down which lane is at work, in case it fails."""
        self.builder.store(self.builder.zext(lane, WORD), self._state_word(_state.FAULT_LANE))


def _is_wider(wanted: Any, given: Any) -> bool:
    return isinstance(wanted, types.Integer) and wanted.bitwidth > given.bitwidth


def _resized(builder: llvm.IRBuilder, value: llvm.Value, type_: llvm.IntType) -> llvm.Value:
    if value.type == type_:
        return value
    return builder.zext(value, type_) if type_.width > value.type.width else builder.trunc(value, type_)
