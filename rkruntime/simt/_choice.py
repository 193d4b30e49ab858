"""Which lowering a kernel gets, how many threads are one vector, and why. Pure."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

import attrs

from rkruntime.simt._features import FIBERS, Category
from rkruntime.simt._numba import types
from rkruntime.simt._recursion import recursive_functions
from rkruntime.simt._rewrite import Program

__all__ = ("WIDEST", "Choice", "Width", "choose", "choose_width", "has_barriers")

NORMAL, WIDEST = 16, 64

WHY_FIBERS = {
    Category.BARRIER: "threads wait for one another",
    Category.SHARED: "threads share memory",
    Category.WARP: "the threads of a warp work together",
    Category.GRID: "all threads of the grid wait for one another",
}


@attrs.frozen
class Width:
    """How many threads are one vector, and why."""

    lanes: int
    why: str


@attrs.frozen
class Choice:
    """How a kernel is lowered.

    Args:
        lowering: `lanes`, `loop` or `fibers`.
        why: The reason, after "since".
        width: Threads of a vector, of lanes.
    """

    lowering: str
    why: str
    width: Width | None = None

    @property
    def lanes(self) -> int:
        """Threads of a vector; 1 where there are none."""
        return self.width.lanes if self.width is not None else 1

    def __str__(self) -> str:
        return f"{self.lowering}, since {self.why}"


def has_barriers(program: Program) -> bool:
    """Whether threads of a block wait for one another or share memory."""
    return not FIBERS.isdisjoint(program.categories)


def can_be_cut(program: Program) -> bool:
    """Whether all that a kernel's threads do together is to wait at barriers and to share static arrays."""
    recursive = recursive_functions(program.units)
    for function, unit in program.units.items():
        for feature in unit.features:
            together = feature.category in FIBERS
            if together and (function in recursive or feature.name not in ("syncthreads", "shared_array")):
                return False
            if feature.name == "local_array":
                return False
    return not any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "_rk_shared_array"
        and isinstance(node.args[2], ast.Constant)
        and node.args[2].value == "0"
        for unit in program.units.values()
        for node in ast.walk(unit.tree)
    )


def choose(program: Program, *, debug: bool) -> Choice:
    """Choose by what a kernel uses.

    Args:
        program: The kernel and its device functions.
        debug: Whether subscripts are checked, which lanes do not do.
    """
    waits = [(feature, place) for feature, place in program.features.items() if feature.category in FIBERS]
    if waits:
        feature, (file, line) = waits[0]
        where = f"{feature.spelling} at {file}:{line}"
        if not debug and can_be_cut(program):
            return Choice("lanes", f"it can be cut where threads wait for one another: {where}")
        return Choice("fibers", f"{WHY_FIBERS[feature.category]}: {where}")
    if debug:
        return Choice("loop", "subscripts are checked one thread at a time")
    for feature, (file, line) in program.features.items():
        if feature.name == "local_array":
            return Choice("loop", f"each thread has an array of its own: {feature.spelling} at {file}:{line}")
    for unit in program.units.values():
        for node in ast.walk(unit.tree):
            if isinstance(node, ast.For | ast.While):
                where = f"{unit.source.file}:{node.lineno}"
                return Choice("lanes", f"threads loop, side by side: {where}")
    return Choice("loop", "threads run straight through, and LLVM makes vectors of them")


def choose_width(program: Program, argument_types: Sequence[Any], wanted: int | None = None) -> Width:
    """Choose how many neighbouring threads are one vector.

    Sixteen numbers of four bytes are the widest register, and a cache line. More lanes hide the latency of long chains
    of arithmetic, where there is nothing else; and where elements have one byte, only more lanes use a whole cache line
    before another thread's is needed. A block that is narrower than a vector leaves lanes idle, so kernels whose blocks
    cannot be joined along x get 16, but for one-byte elements.

    Args:
        program: The kernel and its device functions.
        argument_types: Numba's types of its arguments.
        wanted: The width to have, if it was asked for.

    Raises:
        ValueError: A width that is none.
    """
    if wanted is not None:
        if not 1 <= wanted <= WIDEST or wanted & (wanted - 1):
            raise ValueError(f"width={wanted}: give a power of 2 up to {WIDEST}")
        return Width(wanted, "it was asked for")
    sizes = [one.dtype.bitwidth for one in argument_types if isinstance(getattr(one, "dtype", None), types.Integer)]
    if sizes and min(sizes) == 8:
        return Width(WIDEST, "64 elements of one byte are a cache line")
    if not has_barriers(program) and _only_computes(program):
        return Width(WIDEST, "loops only compute, and four vectors at once hide the latency of arithmetic")
    return Width(NORMAL, "16 numbers of four bytes are the widest register")


def _only_computes(program: Program) -> bool:
    """Whether no loop looks at memory."""
    loops = [
        node for unit in program.units.values() for node in ast.walk(unit.tree) if isinstance(node, ast.For | ast.While)
    ]
    inner = [node for loop in loops for statement in loop.body for node in ast.walk(statement)]
    return bool(loops) and not any(isinstance(node, ast.Subscript) or _touches_memory(node) for node in inner)


def _touches_memory(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id.startswith(("_rk_atomic", "_rk_load", "_rk_store", "_rk_device"))
    )
