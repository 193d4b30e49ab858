"""Which whole numbers of 64 bits are only asked for their low 32: Python's counters that end up in arrays of int32.

Vectors of these are half as wide. Pure. What sums, products and bits of a number are in their low 32 bits depends on
the low 32 bits of the operands alone; comparisons, divisions, subscripts and conversions to real numbers ask for more.
"""

# numba's intermediate representation is untyped
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numba.core import ir

from rkruntime.simt._numba import types
from rkruntime.simt.lanes._shapes import callee_of, operator_of

__all__ = ("NARROW", "narrow")

NARROW = {types.int64: types.int32, types.uint64: types.uint32}
BITS = 32
LOW_FROM_LOW = ("add", "sub", "mul", "and_", "or_", "xor", "neg", "pos", "invert")


def narrow(blocks: Mapping[int, Any], typemap: Mapping[str, Any]) -> frozenset[str]:
    """Return the variables of which low bits are enough.

    Args:
        blocks: Numba's, by label.
        typemap: Types of their variables.
    """
    uses = [use for block in blocks.values() for inst in block.body for use in _uses(inst, typemap)]
    found = {name for name, _ in uses if typemap[name] in NARROW}
    while more := {name for name, into in uses if name in found and into is not None and into not in found}:
        found -= more
    return frozenset(found)


def _uses(inst: Any, typemap: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield what a statement reads, with the variable whose low bits come from its low bits.

    None stands for a place that has low bits only; "" for one that asks for all of them.
    """
    if isinstance(inst, ir.Del):
        return
    if isinstance(inst, ir.SetItem) and _is_short(getattr(typemap[inst.target.name], "dtype", None)):
        yield from ((name, "") for name in (inst.target.name, inst.index.name))
        yield inst.value.name, None
    elif isinstance(inst, ir.Assign):
        into = _into(inst, typemap)
        read = [inst.value] if isinstance(inst.value, ir.Var) else getattr(inst.value, "list_vars", list)()
        yield from ((var.name, into) for var in read)
    else:
        yield from ((var.name, "") for var in inst.list_vars())


def _into(inst: Any, typemap: Mapping[str, Any]) -> str | None:
    value, name = inst.value, inst.target.name
    if isinstance(value, ir.Var):
        return str(name)
    if not isinstance(value, ir.Expr):
        return ""
    whole = isinstance(typemap[name], types.Integer)
    if value.op == "call":
        cast = isinstance(callee_of(typemap, value.func), types.NumberClass)
        return None if cast and _is_short(typemap[name]) else ""
    if value.op == "cast" and whole:
        return str(name)
    if value.op == "unary" and whole and value.fn.__name__ in LOW_FROM_LOW:
        return str(name)
    if value.op in ("binop", "inplace_binop") and whole and operator_of(value) in LOW_FROM_LOW:
        return str(name)
    return ""


def _is_short(type_: Any) -> bool:
    return isinstance(type_, types.Integer) and type_.bitwidth <= BITS
