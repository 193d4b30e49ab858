"""Which lowering a kernel gets, and why. Pure."""

from __future__ import annotations

import ast

import attrs

from rkruntime.simt._features import FIBERS, Category
from rkruntime.simt._rewrite import Program

__all__ = ("Choice", "choose", "has_barriers")

WHY_FIBERS = {
    Category.BARRIER: "threads wait for one another",
    Category.SHARED: "threads share memory",
    Category.WARP: "the threads of a warp work together",
    Category.GRID: "all threads of the grid wait for one another",
}


@attrs.frozen
class Choice:
    """How a kernel is lowered.

    Args:
        lowering: `lanes`, `loop` or `fibers`.
        why: The reason, after "since".
    """

    lowering: str
    why: str

    def __str__(self) -> str:
        return f"{self.lowering}, since {self.why}"


def has_barriers(program: Program) -> bool:
    """Whether threads of a block wait for one another or share memory."""
    return not FIBERS.isdisjoint(program.categories)


def can_be_cut(program: Program) -> bool:
    """Whether all that a kernel's threads do together is to wait at barriers of its own and to share static arrays."""
    for unit in program.units.values():
        for feature in unit.features:
            together = feature.category in FIBERS
            if together and (unit is not program.kernel or feature.name not in ("syncthreads", "shared_array")):
                return False
            if feature.name == "local_array":
                return False
    return not any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "_rk_shared_array"
        and isinstance(node.args[2], ast.Constant)
        and node.args[2].value == "0"
        for node in ast.walk(program.kernel.tree)
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
