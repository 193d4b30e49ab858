"""Emitting reads and writes of records' fields: of each lane's record, gathered and scattered.

A record is a pointer. One that differs among lanes is a vector of them.
"""

# one signature for all expressions, and numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba.core import ir

from rkruntime.simt._numba import types
from rkruntime.simt.lanes import _vectors as vectors
from rkruntime.simt.lanes._complex_lower import ComplexLower
from rkruntime.simt.lanes._shapes import is_uniform
from rkruntime.simt.lanes._slots import Value
from rkruntime.simt.lanes._spots import Spots

__all__ = ("RecordLower",)

WORD = llvm.IntType(64)


class RecordLower(ComplexLower):
    """Lowers fields of records."""

    def _emit_getattr(self, type_: Any, expr: Any) -> Value | None:
        return self._read_field(expr.value, expr.attr) or super()._emit_getattr(type_, expr)

    def _emit_static_getitem(self, type_: Any, expr: Any) -> Value | None:
        return self._read_field(expr.value, expr.index) or super()._emit_static_getitem(type_, expr)

    def _read_field(self, record: Any, name: Any) -> Value | None:
        """Return a field of each lane's record, or None where it is something else."""
        found = self._field(record, name)
        if found is None:
            return None
        type_, places = found
        if isinstance(type_, types.Record):
            return self._records_at(type_, places)
        spots = self._spots_of(record, type_, places)
        return None if spots is None else self._of_numbers(type_, spots.load(self._mask))

    def _write(self, inst: Any) -> bool:
        """Store to a field of each lane's record; false where a statement does not."""
        if not isinstance(inst, ir.SetAttr | ir.StaticSetItem):
            return False
        found = self._field(inst.target, inst.attr if isinstance(inst, ir.SetAttr) else inst.index)
        if found is None or (spots := self._spots_of(inst.target, *found)) is None:
            return False
        value = self._numbers(self._value(inst.value.name), found[0])
        if value is None:
            return False
        spots.store(value, self._mask)
        return True

    def _field(self, record: Any, name: Any) -> tuple[Any, llvm.Value] | None:
        """Return a field's type and the places of all lanes' ones; None where the record is none, or one for all."""
        type_ = self.typeof(record.name)
        if not isinstance(type_, types.Record) or not isinstance(name, str) or name not in type_.fields:
            return None
        if is_uniform(self.shapes.form(record.name)):
            return None
        words = llvm.VectorType(WORD, self.width)
        start = self.builder.ptrtoint(self._slot(record.name).load(self.builder).held, words)
        further = vectors.splat(self.builder, WORD(type_.offset(name)), self.width)
        return type_.typeof(name), self.builder.add(start, further)

    def _spots_of(self, record: Any, type_: Any, places: llvm.Value) -> Spots | None:
        if not Spots.takes(type_):
            return None
        return Spots(self.context, self.builder, type_, places, self.typeof(record.name).aligned)
