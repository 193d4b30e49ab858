"""Functions of real numbers on lanes by Intel's vector math library; where it is not there, they go lane by lane.

Of its entry points those of high accuracy are called, whose errors are about one unit in the last place, as CUDA's are.
"""

# mypy: disable-error-code="no-untyped-call,unused-ignore"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types

from rkruntime.simt._registers import register_bytes
from rkruntime.simt._svml import CALLED, is_loaded, library

__all__ = ("vector_math",)


def vector_math(builder: ir.IRBuilder, name: str, type_: Any, values: Sequence[ir.Value]) -> ir.Value | None:
    """Call the library for all lanes, a register of them at a time; None where it is not there or does not fit.

    Args:
        builder: Where to emit.
        name: The function's name in C.
        type_: float32 or float64, of all arguments and the result.
        values: Vectors of as many lanes each.
    """
    lanes = values[0].type.count
    most = register_bytes() // (type_.bitwidth // 8)
    count = min(lanes, most)
    if count * type_.bitwidth < 128 or library() is None or not is_loaded():
        return None
    element = values[0].type.element
    vector = ir.VectorType(element, count)
    single = "f" if type_ == types.float32 else ""
    kind = ir.FunctionType(vector, [vector] * len(values))
    symbol = f"{CALLED}{name}{single}{count}_ha"
    function = builder.module.globals.get(symbol) or ir.Function(builder.module, kind, symbol)
    parts = [_part(builder, value, start, count) for value in values for start in range(0, lanes, count)]
    turns = lanes // count
    made = [builder.call(function, parts[turn::turns]) for turn in range(turns)]
    return _joined(builder, made)


def _part(builder: ir.IRBuilder, value: ir.Value, start: int, count: int) -> ir.Value:
    if value.type.count == count:
        return value
    return _shuffled(builder, value, value, range(start, start + count))


def _joined(builder: ir.IRBuilder, parts: list[ir.Value]) -> ir.Value:
    """Put vectors together, two by two."""
    while len(parts) > 1:
        both = range(2 * parts[0].type.count)
        parts = [_shuffled(builder, left, right, both) for left, right in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]


def _shuffled(builder: ir.IRBuilder, left: ir.Value, right: ir.Value, places: Sequence[int] | range) -> ir.Value:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), [*places])
    return builder.shuffle_vector(left, right, mask)
