"""What lanes are refused for once the types of the arguments are known: what one thread after the other does better."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from rkruntime.simt._along import sums_along_rows
from rkruntime.simt._choice import WIDEST, counts_by_turns
from rkruntime.simt._complexes import reads_rows
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._numba import types
from rkruntime.simt._own_rows import goes_along_own_rows, searches_by_reading
from rkruntime.simt._program import Program
from rkruntime.simt._records import loops_read_same_records
from rkruntime.simt._refused import LanesRefused
from rkruntime.simt._registers import gathers_slowly, register_bytes
from rkruntime.simt._searches import searches_by_dividing
from rkruntime.simt._svml import library
from rkruntime.simt._unrolled import unrolls_choices, unrolls_short_numbers

__all__ = ("check_types",)


def check_types(program: Program, argument_types: Sequence[Any]) -> None:
    """Refuse lanes for elements that are read, tested or summed better by one thread after the other.

    Args:
        program: The kernel, which has no barriers, and its device functions.
        argument_types: Numba's types of its arguments.

    Raises:
        LanesRefused: One thread after the other does it better.
    """
    _check_records(program, argument_types)
    _check_whole_numbers(program, argument_types)
    _check_complex_numbers(program, argument_types)
    _check_elements_apart(program, argument_types)


def _check_records(program: Program, argument_types: Sequence[Any]) -> None:
    records = _arrays_of(types.Record, program, argument_types)
    if records and not loops_read_same_records(program, frozenset(records)):
        raise LanesRefused("threads read fields of their own records, which one after the other does best")


def _check_whole_numbers(program: Program, argument_types: Sequence[Any]) -> None:
    where = counts_by_turns(program, argument_types, register_bytes())
    if where is not None:
        raise LanesRefused(f"each thread ends its own loop over whole numbers: {where}")
    where = unrolls_short_numbers(program, argument_types)
    if where is not None:
        raise LanesRefused(f"LLVM unrolls loops of few turns, and has many short numbers in a vector: {where}")
    where = unrolls_choices(program, argument_types)
    if where is not None:
        raise LanesRefused(f"LLVM unrolls loops of few turns that choose among numbers: {where}")
    where = searches_by_dividing(program)
    if where is not None:
        raise LanesRefused(f"each thread searches by dividing, and most end before the last of a vector: {where}")
    where = sums_along_rows(program, argument_types)
    if where is not None:
        raise LanesRefused(f"each thread sums up whole numbers along its own row, which LLVM makes vectors of: {where}")


def _check_complex_numbers(program: Program, argument_types: Sequence[Any]) -> None:
    unit, arrays = program.kernel, _arrays_of(types.Complex, program, argument_types)
    row = reads_rows(unit.tree, frozenset(arrays))
    if row is not None:
        where = f"{unit.source.file}:{row.lineno}"
        raise LanesRefused(f"each thread reads complex numbers of its own, which lie apart: {where}")
    turns = next((node for node in nodes_of(unit.tree) if isinstance(node, ast.While)), None)
    are_large = any(dtype.bitwidth > 64 for dtype in arrays.values())
    if turns is not None and are_large and register_bytes() < WIDEST:
        where = f"{unit.source.file}:{turns.lineno}"
        raise LanesRefused(f"each thread ends its own loop over complex numbers of 16 bytes: {where}")


def _check_elements_apart(program: Program, argument_types: Sequence[Any]) -> None:
    slowly, vector_math = gathers_slowly(), library() is not None
    where = goes_along_own_rows(program, argument_types, gathers_slowly=slowly, vector_math=vector_math)
    if where is not None:
        raise LanesRefused(f"each thread goes along its own row, and computes little of it: {where}")
    where = searches_by_reading(program, vector_math=vector_math) if slowly else None
    if where is not None:
        raise LanesRefused(f"each thread searches by reading, and most end before the last of a vector: {where}")


def _arrays_of(kind: Any, program: Program, argument_types: Sequence[Any]) -> dict[str, Any]:
    """Return the parameters that are arrays of a kind of elements, and the types of those."""
    parameters = zip(program.kernel.source.parameters, argument_types, strict=True)
    arrays = ((name, one.dtype) for name, one in parameters if isinstance(one, types.Array))
    return {name: dtype for name, dtype in arrays if isinstance(dtype, kind)}
