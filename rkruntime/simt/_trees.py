"""A program's definitions as they are compiled: guards turned to bounds, and loops that look for a cancelled launch.

Pure: what is compiled decides whether it was compiled before, and is found on disk without the compiler.
"""

from __future__ import annotations

import ast
from types import FunctionType

import attrs

from rkruntime.simt._copied import copied
from rkruntime.simt._guards import hoist_guards
from rkruntime.simt._interrupt import add_interrupts, waiting_functions
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._recursion import add_descent, recursive_functions
from rkruntime.simt._rewrite import PREFIX, Program

__all__ = ("Trees", "trees_of")

WITHIN_BLOCK = ("thread_idx", "thread_idx_3", "block_idx", "block_idx_3", "laneid", "lanemask_lt")


@attrs.frozen(eq=False)
class Trees:
    """Definitions for numba.

    Args:
        functions: Of the kernel, then of its device functions.
        recursive: Those that can reach themselves.
        limits: Of `limits(ctx, *args)`, which loops take.
        notes: What was done with the kernel's guards.
        wide: Whether the kernel knows its places in the grid alone, so that it cannot tell blocks apart.
    """

    functions: dict[FunctionType, ast.FunctionDef]
    recursive: frozenset[FunctionType]
    limits: ast.FunctionDef
    notes: tuple[str, ...]
    wide: bool

    @property
    def every(self) -> tuple[ast.FunctionDef, ...]:
        """All that is compiled, the kernel first."""
        return (*self.functions.values(), *((self.limits,) if self.notes else ()))


def trees_of(program: Program, *, guards: bool, scalar: bool = False) -> Trees:
    """Make the definitions of a program.

    Args:
        program: The kernel and its device functions.
        guards: Whether its guards become bounds of a loop over threads.
        scalar: Whether threads run one after the other, as in that loop.
    """
    kernel = program.kernel
    guarded = hoist_guards(kernel, copied(kernel.tree), take=guards)
    units = program.units.items()
    trees = {function: guarded.tree if unit is kernel else copied(unit.tree) for function, unit in units}
    recursive, waiting = recursive_functions(program.units), waiting_functions(program)
    for function, unit in units:
        trees[function] = add_interrupts(unit, trees[function], waiting, scalar=scalar)
        if function in recursive:
            trees[function] = add_descent(trees[function])
    made = Trees(trees, recursive, guarded.limits, guarded.notes, wide=False)
    return attrs.evolve(made, wide=not guarded.within_block and not any(map(_tells_blocks_apart, made.every)))


def _tells_blocks_apart(tree: ast.FunctionDef) -> bool:
    """Whether a function looks at the thread's index in its block, or at the block's."""
    names = {node.id for node in nodes_of(tree) if isinstance(node, ast.Name)}
    told = not names.isdisjoint(PREFIX + name for name in WITHIN_BLOCK)
    return told or any(name.startswith(PREFIX + "in_place_of_extended") for name in names)  # an overload may look
