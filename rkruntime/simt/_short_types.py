"""Which types of sixteen bits a kernel takes or names: numba's CPU target lacks them, and most kernels do without."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._numba import types
from rkruntime.simt._program import Program

__all__ = ("short_floats_in",)

HALF = "float16"
SPELLINGS = (HALF, "half", "f2", "<f2", "=f2", "e")  # as a dtype that a kernel gives in a string
BFLOAT16 = "__nv_bfloat16"  # what numba-cuda calls the type


def short_floats_in(signature: str, program: Program) -> Iterator[str]:
    """Yield the modules that teach numba the types of sixteen bits that a kernel takes or names.

    Args:
        signature: The types of its arguments.
        program: It, with the device functions that it reaches.
    """
    found = {name for unit in program.units.values() for name in _named(unit)}
    if HALF in signature or HALF in found:
        yield "rkruntime.simt._half"
    if BFLOAT16 in signature or BFLOAT16 in found:
        yield "rkruntime.simt._bfloat"


def _named(unit: Any) -> Iterator[str]:
    """Yield the names of the types that one function names, as a value or in a string such as `float16`."""
    for value in (*unit.globals.values(), *unit.members.values()):
        yield from _types_of(value)
    for node in nodes_of(unit.tree):
        if isinstance(node, ast.Constant) and node.value in SPELLINGS:
            yield HALF


def _types_of(value: Any) -> Iterator[str]:
    """Yield the name of a type, or of those that an array or number consists of."""
    if isinstance(value, types.Type):
        yield str(value)
    elif isinstance(value, np.ndarray | np.generic):
        yield from _types_of(value.dtype)
    elif isinstance(value, np.dtype):
        yield value.base.name
        for field in (value.base.fields or {}).values():
            yield from _types_of(field[0])
    elif isinstance(value, tuple):
        for one in value:
            yield from _types_of(one)
    elif value is np.float16:
        yield HALF
