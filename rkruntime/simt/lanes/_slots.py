"""Where a variable's values live while code is emitted: on the stack, by its form; LLVM keeps them in registers."""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

import attrs
from llvmlite import ir
from numba.core import cgutils

from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._shapes import Form, Shape, parts_of

__all__ = ("Slot", "Value")


@attrs.frozen
class Value:
    """A value for all lanes: its form, numba's type, and what LLVM has of it.

    Args:
        form: UNIFORM: one number. RAMP: that of lane 0. VARYING: a vector, or an array with one for each lane where
            its type is no number's.
        type: Numba's.
        held: That, or a list of values: the parts.
    """

    form: Form
    type: Any
    held: Any


class Slot:
    """Room for a variable.

    Args:
        context: Numba's target context.
        builder: Whose function gets the room.
        type_: Numba's type.
        form: What is kept.
        width: Lanes.
        name: The variable's.
    """

    def __init__(self, context: Any, builder: ir.IRBuilder, type_: Any, form: Form, width: int, name: str) -> None:
        self.type, self.form, self.width = type_, form, width
        self.parts: list[Slot] = []
        self.pointer: ir.Value | None = None
        if isinstance(form, tuple):
            types_ = parts_of(type_)
            assert types_ is not None
            self.parts = [
                Slot(context, builder, part, one, width, f"{name}.{k}")
                for k, (part, one) in enumerate(zip(types_, form, strict=True))
            ]
            return
        kept = context.get_value_type(type_)
        if form is Shape.VARYING:
            kept = ir.VectorType(kept, width) if vectors.fits_lane(type_) else ir.ArrayType(kept, width)
        self.pointer = cgutils.alloca_once(builder, kept, name=name)

    @property
    def is_vector(self) -> bool:
        """Whether it holds an LLVM vector."""
        return self.form is Shape.VARYING and vectors.fits_lane(self.type)

    @property
    def vector(self) -> ir.VectorType:
        """The type of the vector that it holds."""
        assert self.pointer is not None
        return self.pointer.type.pointee

    def of_lane(self, builder: ir.IRBuilder, lane: ir.Value) -> ir.Value:
        """Return where one lane's value is kept, of those that are no vector; that of all, where it is one."""
        if self.form is not Shape.VARYING:
            return self.pointer
        return builder.gep(self.pointer, [vectors.INDEX(0), lane])

    def load(self, builder: ir.IRBuilder) -> Value:
        """Return what it holds."""
        if self.parts:
            return Value(self.form, self.type, [part.load(builder) for part in self.parts])
        return Value(self.form, self.type, builder.load(self.pointer))

    def store(self, builder: ir.IRBuilder, held: Any, mask: ir.Value | None) -> None:
        """Keep what has the slot's own form; where `mask` is off, what was there stays."""
        if self.parts:
            for part, one in zip(self.parts, held, strict=True):
                part.store(builder, one, mask)
        elif mask is not None and self.is_vector:
            builder.store(builder.select(mask, held, builder.load(self.pointer)), self.pointer)
        elif mask is not None and self.form is Shape.VARYING:
            for k in range(self.width):
                with builder.if_then(builder.extract_element(mask, vectors.INDEX(k))):
                    place = builder.gep(self.pointer, [vectors.INDEX(0), vectors.INDEX(k)])
                    builder.store(builder.extract_value(held, k), place)
        else:
            builder.store(held, self.pointer)
