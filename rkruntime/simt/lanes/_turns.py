"""Lanes' numbers while one lane after the other has its turn: in memory, one beside the other.

A register gives no lane whose number is known only when the kernel runs: all of a vector would be put into memory for
it, in each turn anew.
"""

# llvmlite types little of what it gives:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from llvmlite import ir

from rkruntime.simt.lanes._slots import Slot

__all__ = ("LaneTurns",)

BIT, BYTE, INDEX = ir.IntType(1), ir.IntType(8), ir.IntType(32)
ALIGNMENT = 64


class LaneTurns:
    """The vectors that lanes read and write in their turns; the builder is where these begin.

    Args:
        builder: Where to emit.
    """

    def __init__(self, builder: ir.IRBuilder) -> None:
        self._builder, self._before = builder, builder.block
        self._rooms: dict[Slot, ir.Value] = {}
        self._written: dict[Slot, ir.Value] = {}

    def load(self, slot: Slot, lane: ir.Value) -> ir.Value:
        """Return one lane's number of what a slot holds."""
        number = self._builder.load(self._place(slot, lane))
        return self._builder.trunc(number, BIT) if _is_mask(slot) else number

    def store(self, slot: Slot, lane: ir.Value, value: ir.Value) -> None:
        """Keep one lane's value, given as numba has it."""
        builder = self._builder
        if slot.is_vector:
            number = builder.zext(value, BYTE) if _is_mask(slot) else value
            builder.store(number, self._place(slot, lane))
            self._written[slot] = self._rooms[slot]
            return
        for k, part in enumerate(slot.parts):
            self.store(part, lane, builder.extract_value(value, k))
        if not slot.parts:
            builder.store(value, slot.of_lane(builder, lane))

    def end(self) -> None:
        """Keep what was written; the builder is where the last turn has ended."""
        builder = self._builder
        for slot, room in self._written.items():
            held = builder.load(room, align=ALIGNMENT)
            builder.store(builder.trunc(held, slot.vector) if _is_mask(slot) else held, slot.pointer)

    def _place(self, slot: Slot, lane: ir.Value) -> ir.Value:
        builder, room = self._builder, self._rooms.get(slot)
        if room is None:
            kept = ir.VectorType(BYTE, slot.width) if _is_mask(slot) else slot.vector
            with builder.goto_entry_block():
                room = self._rooms[slot] = builder.alloca(kept)
            room.align = ALIGNMENT
            with builder.goto_block(self._before):
                held = builder.load(slot.pointer)
                held = builder.zext(held, kept) if _is_mask(slot) else held
                builder.store(held, room).align = ALIGNMENT
        item = room.type.pointee.element.as_pointer()
        return builder.gep(builder.bitcast(room, item), [lane])


def _is_mask(slot: Slot) -> bool:
    """Whether it has a bit for each lane, of which memory has no places."""
    return bool(slot.vector.element == BIT)
