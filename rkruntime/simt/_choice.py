"""Which lowering a kernel gets, and why. Pure."""

from __future__ import annotations

import ast

import attrs

from rkruntime.simt._features import FIBERS, Category
from rkruntime.simt._rewrite import Program

__all__ = ("Choice", "choose")

WHY_FIBERS = {
    Category.BARRIER: "threads wait for one another",
    Category.SHARED: "threads share memory",
    Category.WARP: "the threads of a warp work together",
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


def choose(program: Program, *, debug: bool) -> Choice:
    """Choose by what a kernel uses.

    Args:
        program: The kernel and its device functions.
        debug: Whether subscripts are checked, which lanes do not do.
    """
    for feature, (file, line) in program.features.items():
        if feature.category in FIBERS:
            return Choice("fibers", f"{WHY_FIBERS[feature.category]}: {feature.spelling} at {file}:{line}")
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
