"""Comparisons of a ramp with what is the same for all lanes.

The lanes below a bound are the first few, so one number tells them, and no vector has to be made and compared: where
registers for vectors have masks of their own, a mask is a number. Elsewhere it is a vector of bytes, which LLVM makes
of a number bit by bit, so that bytes that count up are compared.
"""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from collections.abc import Mapping

from llvmlite import ir

from rkruntime.simt._registers import has_masks
from rkruntime.simt.lanes import _vectors as vectors

__all__ = ("MIRRORED", "compare_ramp", "first_lanes")

WORD, BYTE = ir.IntType(64), ir.IntType(8)
MIRRORED: Mapping[str, str] = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le", "eq": "eq", "ne": "ne"}


def compare_ramp(builder: ir.IRBuilder, name: str, base: ir.Value, bound: ir.Value, width: int) -> ir.Value:
    """Compare base, base + 1, ... with a bound.

    Args:
        builder: Where to emit.
        name: The name of the function of `operator`.
        base: Lane 0's number, int64.
        bound: What all are compared with, int64.
        width: Lanes.
    """
    away = builder.sub(bound, base)  # a number without sign, if the bound is not below; then it cannot wrap around
    if name in ("eq", "ne"):
        here = builder.icmp_unsigned("<", away, WORD(width))
        if not has_masks():
            place = builder.select(here, builder.trunc(away, BYTE), BYTE(-1))
            return _compare_bytes(builder, "!=" if name == "ne" else "==", place, width)
        bit = builder.shl(WORD(1), builder.select(here, away, WORD(0)))
        return _mask(builder, builder.select(here, bit, WORD(0)), width, negated=name == "ne")
    if name in ("le", "gt"):  # one lane more than below the bound
        count = builder.add(_at_most(builder, away, width - 1), WORD(1))
    else:
        count = _at_most(builder, away, width)
    count = builder.select(builder.icmp_signed("<", bound, base), WORD(0), count)
    return _first(builder, count, width, negated=name in ("gt", "ge"))


def first_lanes(builder: ir.IRBuilder, count: ir.Value, width: int) -> ir.Value:
    """Return the mask of the first `count` lanes, of which there may be fewer than `width` or more; int64."""
    some = builder.select(builder.icmp_signed("<", count, WORD(0)), WORD(0), count)
    return _first(builder, _at_most(builder, some, width), width, negated=False)


def _first(builder: ir.IRBuilder, count: ir.Value, width: int, *, negated: bool) -> ir.Value:
    """Return the mask of the first `count` lanes, of 0 to `width`, or of all others."""
    if not has_masks():
        return _compare_bytes(builder, ">=" if negated else "<", builder.trunc(count, BYTE), width)
    return _mask(builder, _low_bits(builder, count, width), width, negated=negated)


def _compare_bytes(builder: ir.IRBuilder, sign: str, number: ir.Value, width: int) -> ir.Value:
    """Compare 0, 1, 2, ... with a byte that is -1 to `width`."""
    return builder.icmp_signed(sign, vectors.iota(BYTE, width), vectors.splat(builder, number, width))


def _at_most(builder: ir.IRBuilder, number: ir.Value, high: int) -> ir.Value:
    """Return a number without sign, or `high` if it is more."""
    return builder.select(builder.icmp_unsigned("<", number, WORD(high)), number, WORD(high))


def _low_bits(builder: ir.IRBuilder, count: ir.Value, width: int) -> ir.Value:
    """Return a word with its lowest `count` bits set; shifting by 64 is undefined."""
    if width < 64:
        return builder.sub(builder.shl(WORD(1), count), WORD(1))
    some = builder.lshr(WORD(-1), builder.and_(builder.sub(WORD(64), count), WORD(63)))
    return builder.select(builder.icmp_unsigned("==", count, WORD(0)), WORD(0), some)


def _mask(builder: ir.IRBuilder, bits: ir.Value, width: int, *, negated: bool) -> ir.Value:
    bits = builder.not_(bits) if negated else bits
    narrow = builder.trunc(bits, ir.IntType(width)) if width < 64 else bits
    return builder.bitcast(narrow, ir.VectorType(ir.IntType(1), width))
