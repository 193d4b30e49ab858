"""How often a duration goes into another: numba types `a // b` as a real number, emits a whole one, and fails.

What is registered here takes the place of numba's own, for all that it compiles; as NumPy does it, but for the type:
numba's stays, so that the whole numbers are held by real ones.
"""

# mypy: disable-error-code="no-untyped-call,unused-ignore"

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core.imputils import lower_builtin
from numba.np.npdatetime import are_not_nat, normalize_timedeltas

from rkruntime.simt._numba import types

__all__ = ("floor_divided",)

WORD = ir.IntType(64)
DURATIONS = (types.NPTimedelta, types.NPTimedelta)


def floor_divided(context: Any, builder: ir.IRBuilder, signature: Any, args: Any) -> ir.Value:
    """Emit the division, rounded down; 0 where there is no such number, as in NumPy."""
    first, second = normalize_timedeltas(context, builder, *args, *signature.args)
    zero, one = WORD(0), WORD(1)
    valid = builder.and_(are_not_nat(builder, args), builder.icmp_signed("!=", second, zero))
    by = builder.select(valid, second, one)
    by_minus_one = builder.icmp_signed("==", by, WORD(-1))  # which processors cannot divide the least number by
    by = builder.select(by_minus_one, one, by)
    quotient = builder.sdiv(first, by)
    rest = builder.sub(first, builder.mul(quotient, by))
    apart = builder.icmp_signed("<", builder.xor(rest, by), zero)
    down = builder.and_(builder.icmp_signed("!=", rest, zero), apart)
    quotient = builder.sub(quotient, builder.select(down, one, zero))
    quotient = builder.select(by_minus_one, builder.sub(zero, quotient), quotient)
    whole = builder.select(valid, quotient, zero)
    wanted = context.get_value_type(signature.return_type)
    return whole if wanted == WORD else builder.sitofp(whole, wanted)


_lowering: Any = lower_builtin
for _operator in (operator.floordiv, operator.ifloordiv):
    _lowering(_operator, *DURATIONS)(floor_divided)
