"""Which kernels LLVM runs best one thread after the other though they loop: few turns over short whole numbers. Pure.

It unrolls such loops, makes vectors of neighbouring threads, and finds that sums of bytes that are stored as bytes need
no more than bytes, so that a vector has eight times as many. Lanes are made before that is known, and sum in int64 as
Python does.

Measured on registers of 64 bytes, lanes' time over the loop's, of kernels over uint8, int16 and uint16: box filters of
3 x 3, 5 x 5 and 7 x 7 1.5 to 8, the greatest of 3 x 3 and 5 x 5 neighbours 6 and 9, a threshold at the mean 1.9, bits
turned round 13, means in float32 and float64 1.0 to 1.3, local binary patterns 1.2. Over 32 bits and more: 0.3 to 1.5.
Where threads part by what they read (the game of life), 0.7: LLVM makes no vectors of those.

Where threads choose inside such a loop, LLVM makes blends of the branches, of numbers of any size, and lanes have masks
that no register is left for. Of 3 x 3 neighbours: the least label 2.9 (uint8 4.7, float32 0.7 or 1.8, by how its test
is written), without tests of the image's edges 1.5 (float32 1.1), where a label decides whether to look 3.3, a sum that
leaves out what is beyond the edges 0.9 (uint8 1.4, float32 1.6). Where the number of turns is an argument, 0.1 to 0.2.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence
from typing import Any

from rkruntime.simt._assigned import assignment, comes_from, followed, stored_names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._numba import types
from rkruntime.simt._program import Program, Unit
from rkruntime.simt._svml import FUNCTIONS

__all__ = ("unrolls_choices", "unrolls_short_numbers")

MOST_TURNS = 64
MOST_CHOOSING_TURNS = 9
MOST_BITS = 16
LEAVING = (ast.While, ast.Break, ast.Continue, ast.Return)
PARTING = (ast.If, ast.IfExp, ast.BoolOp, *LEAVING)


def unrolls_short_numbers(program: Program, argument_types: Sequence[Any]) -> str | None:
    """Return where a kernel's first loop is, if LLVM unrolls all of them over short whole numbers; or None.

    Args:
        program: The kernel and its device functions.
        argument_types: Numba's types of its arguments.
    """
    items = [one.dtype for one in argument_types if isinstance(one, types.Array)]
    if not items or not all(map(_is_short, items)) or any(unit.local_bytes for unit in program.units.values()):
        return None
    if any(_parts_by_what_it_reads(unit.tree) for unit in program.units.values()):
        return None
    nodes = ((unit, node) for unit in program.units.values() for node in nodes_of(unit.tree))
    loops = [(unit, node) for unit, node in nodes if isinstance(node, ast.For | ast.While)]
    if not loops or math.prod(_turns(*loop) for loop in loops) > MOST_TURNS:
        return None
    unit, first = loops[0]
    return f"{unit.source.file}:{first.lineno}"


def unrolls_choices(program: Program, argument_types: Sequence[Any]) -> str | None:
    """Return where a kernel's first loop is, if LLVM unrolls all of them and blends what they choose; or None.

    Args:
        program: The kernel and its device functions.
        argument_types: Numba's types of its arguments.
    """
    unit = program.kernel
    items = [one.dtype for one in argument_types if isinstance(one, types.Array)]
    if (
        len(program.units) > 1
        or unit.local_bytes
        or not items
        or not all(isinstance(one, types.Number | types.Boolean) for one in items)
    ):
        return None
    loops = [node for node in nodes_of(unit.tree) if isinstance(node, ast.For | ast.While)]
    inside = [part for loop in loops for statement in loop.body for part in nodes_of(statement)]
    if any(isinstance(part, ast.Subscript) and isinstance(part.ctx, ast.Store) for part in inside):
        return None
    if any(isinstance(one, types.Complex) for one in items) or not any(isinstance(part, ast.If) for part in inside):
        return None
    functions = [unit.names.evaluate(part.func) for part in inside if isinstance(part, ast.Call)]
    if any(function is one for function in functions for one in FUNCTIONS):
        return None
    if math.prod(_turns(unit, loop, LEAVING) for loop in loops) > MOST_CHOOSING_TURNS:
        return None
    return f"{unit.source.file}:{loops[0].lineno}"


def _is_short(dtype: Any) -> bool:
    return isinstance(dtype, types.Boolean) or (isinstance(dtype, types.Integer) and dtype.bitwidth <= MOST_BITS)


def _turns(unit: Unit, loop: Any, parting: tuple[type[ast.AST], ...] = PARTING) -> float:
    """Return how often a loop turns, if that is known before the kernel runs and nothing in it parts threads."""
    call = loop.iter if isinstance(loop, ast.For) else None
    inside = (part for statement in loop.body for part in nodes_of(statement))
    if not isinstance(call, ast.Call) or call.keywords or any(isinstance(part, parting) for part in inside):
        return math.inf
    bounds = [unit.names.evaluate(argument) for argument in call.args]
    if unit.names.evaluate(call.func) is not range or not all(type(bound) is int for bound in bounds):
        return math.inf
    return len(range(*bounds))


def _parts_by_what_it_reads(tree: ast.FunctionDef) -> bool:
    """Whether threads part by what they have read or summed; a choice between two numbers parts nobody."""
    told = followed(tree, _told_at)
    nodes = nodes_of(tree)
    tests = [node.test for node in nodes if isinstance(node, ast.If | ast.While)]
    return any(comes_from(test, told) for test in (*tests, *(node for node in nodes if isinstance(node, ast.BoolOp))))


def _told_at(node: ast.AST, told: frozenset[str]) -> Iterator[str]:
    """Yield the names that a node assigns what was read, or changes in place."""
    assigned = assignment(node)
    if assigned is not None and (isinstance(node, ast.AugAssign) or comes_from(assigned[1], told)):
        for target in assigned[0]:
            yield from stored_names(target)
