"""What a kernel was made into, for people."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from rkruntime.simt._features import FIBERS, Category
from rkruntime.simt._rewrite import Program

__all__ = ("explain", "reason_for")


def reason_for(program: Program) -> str:
    """Say why a kernel is lowered as it is, with the line that decides."""
    for feature, (file, line) in program.features.items():
        if feature.category in FIBERS:
            what = {
                Category.BARRIER: "threads wait for one another",
                Category.SHARED: "threads share memory",
                Category.WARP: "the threads of a warp work together",
            }[feature.category]
            return f"fibers, since {what}: {feature.spelling} at {file}:{line}"
    return "loop, since no thread waits for another"


def explain(
    program: Program, signature: str, trees: Sequence[ast.FunctionDef], notes: Sequence[str], compiled: str
) -> str:
    """Describe one specialisation.

    Args:
        program: The kernel and its device functions.
        signature: Types of its arguments.
        trees: Every function as compiled, the body first.
        notes: What was done to the loop over threads.
        compiled: How long that took, or where it came from.
    """
    source = program.kernel.source
    lines = [
        f"kernel {source.name} ({signature}), {source.file}:{source.tree.lineno}",
        f"lowering: {reason_for(program)}",
        *(f"loop: {note}" for note in notes),
        f"compiled: {compiled}",
        "features: " + (", ".join(sorted({one.spelling for one in program.features})) or "none"),
        "",
    ]
    return "\n".join([*lines, *(ast.unparse(tree) + "\n" for tree in trees)])
