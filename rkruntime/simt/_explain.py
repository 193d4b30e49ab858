"""What a kernel was made into, for people."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from rkruntime.simt._choice import Choice
from rkruntime.simt._rewrite import Program
from rkruntime.simt._rows import Rows

__all__ = ("explain",)


def explain(
    program: Program,
    choice: Choice,
    signature: str,
    trees: Sequence[ast.FunctionDef],
    notes: Sequence[str],
    compiled: str,
) -> str:
    """Describe one specialisation.

    Args:
        program: The kernel and its device functions.
        choice: How it is lowered.
        signature: Types of its arguments.
        trees: Every function as compiled, the body first.
        notes: What was done to the loop over threads.
        compiled: How long that took, or where it came from.
    """
    source = program.kernel.source
    lines = [
        f"kernel {source.name} ({signature}), {source.file}:{source.tree.lineno}",
        f"lowering: {choice}",
        *([f"vectors: {choice.width.lanes} threads, since {choice.width.why}"] if choice.width else []),
        *([f"rows: {choice.rows.value}"] if choice.width and choice.rows is not Rows.ANY else []),
        *(f"loop: {note}" for note in notes),
        f"compiled: {compiled}",
        "features: " + (", ".join(sorted({one.spelling for one in program.features})) or "none"),
        "",
    ]
    return "\n".join([*lines, *(ast.unparse(tree) + "\n" for tree in trees)])
