"""Rows of a thread's own that it goes along, and searches: left to one thread after the other where lanes gather. Pure.

Measured on Zen 4, which gathers slowly, lanes' time over the loop's, though lanes load one by one. Rows of 32 numbers:
dot products 1.7, greatest 2.2, sums of prefixes 1.9 (float32) and 3.0 (int64), a filter 1.5. Of 2 to 8 numbers, which
LLVM unrolls: pairs 3.3, sums of eight 2.7, vectors made of length one 1.5, least distances 4.8. Counts in rows 1.5.
With much to compute for each element lanes win: a polynomial of degree 8 0.6, a root and a division 0.3, `exp` 0.6. Of
bytes they take 0.6 to 1.0. Sums of prefixes took 1.11 on a processor of Intel's too: a turn scatters as it gathers.

Searches that a thread leaves by what it reads, while a vector goes on until the last has: lengths of fields of a text
1.6, numbers read from digits 1.8, the first element of a row of which something holds 2.1 to 2.5, of a column 1.1, rays
through a table of heights 1.9. On a processor of Intel's, lengths of fields took 0.96. Where what was read tells what
is read next, lanes wait for all of it at once: chains of loads 0.4.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Sequence, Set
from typing import Any

from rkruntime.simt._assigned import assignment, comes_from, reads_elements, stored_names
from rkruntime.simt._complexes import apart_along_x, lies_apart
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._numba import types
from rkruntime.simt._program import Program, Unit
from rkruntime.simt._svml import FUNCTIONS

__all__ = ("goes_along_own_rows", "searches_by_reading")

Loop = ast.For | ast.While
LEAST_BITS = 32  # of shorter ones' rows lanes take less
LONG, ROOT, DIVISION = 20, 8, 4  # of a function that vectors have; beside a sum or a product
MUCH = 8  # work for each element; between what took 1.5 times the loop's time, with 2, and 0.4, with 14


def goes_along_own_rows(
    program: Program, argument_types: Sequence[Any], *, gathers_slowly: bool, vector_math: bool
) -> str | None:
    """Return where the first of a kernel's innermost loops is, if all go along rows of the thread's own; or None.

    Args:
        program: The kernel, which has no barriers, and its device functions.
        argument_types: Numba's types of its arguments.
        gathers_slowly: Whether the processor does; elsewhere one of the loops must store along a row, and one read.
        vector_math: Whether functions of real numbers take all lanes at once.
    """
    unit = program.kernel
    if len(program.units) > 1 or unit.local_bytes:
        return None
    loops = [node for node in nodes_of(unit.tree) if isinstance(node, Loop)]
    innermost = [loop for loop in loops if not any(part in loops for part in _inside(loop))]
    names = apart_along_x(unit.tree)
    apart = [_apart(loop, names) for loop in innermost]
    items = [one.dtype for one in argument_types if isinstance(one, types.Array)]
    if any(getattr(one, "bitwidth", LEAST_BITS) < LEAST_BITS for one in items):
        return None
    if not apart or not all(apart) or any(isinstance(loop, ast.While) for loop in innermost):
        return None
    if not gathers_slowly and len({type(one.ctx) for some in apart for one in some}) < 2:
        return None
    for loop, some in zip(innermost, apart, strict=True):
        if _work(unit, loop, vector_math) >= MUCH * len({ast.unparse(one) for one in some}):
            return None
    return f"{unit.source.file}:{innermost[0].lineno}"


def searches_by_reading(program: Program, *, vector_math: bool) -> str | None:
    """Return where a loop is that threads leave by what they read, one place after the other; or None.

    Args:
        program: The kernel, which has no barriers, and its device functions.
        vector_math: Whether functions of real numbers take all lanes at once.
    """
    for unit in program.units.values():
        for loop in nodes_of(unit.tree):
            if isinstance(loop, Loop) and not unit.local_bytes and _is_search(unit, loop, vector_math):
                return f"{unit.source.file}:{loop.lineno}"
    return None


def _is_search(unit: Unit, loop: Loop, vector_math: bool) -> bool:
    parts = list(_inside(loop))
    if any(isinstance(part, Loop) for part in parts):
        return False
    assigned = _assigned(loop)
    told = {name for name, value in assigned if comes_from(value, frozenset())}
    tests = [loop.test] if isinstance(loop, ast.While) else []
    tests += [one.test for one in parts if isinstance(one, ast.If) and _leaves(one)]
    reads = [one for test in tests for one in nodes_of(test) if _is_read(one)]
    tested = {one.id for test in tests for one in nodes_of(test) if isinstance(one, ast.Name)}
    values = [value for name, value in assigned if name in tested and name in told]
    reads += [one for value in values for one in nodes_of(value) if _is_read(one)]
    moving = {name for name, _ in assigned}
    searched = [one for one in reads if isinstance(one, ast.Subscript) and _has(one.slice, moving)]
    if not searched or any(_has(one.slice, told) or _reads_moving(one.slice, moving) for one in searched):
        return False
    return _work(unit, loop, vector_math) < MUCH * len({ast.unparse(one) for one in searched})


def _leaves(choice: ast.If) -> bool:
    return any(isinstance(one, ast.Break | ast.Return) for one in (*choice.body, *choice.orelse))


def _inside(loop: Loop) -> Iterator[ast.AST]:
    return (part for statement in loop.body for part in nodes_of(statement))


def _assigned(loop: Loop) -> Sequence[tuple[str, ast.expr]]:
    """Return the names that a loop's turns assign, with what."""
    found = [one for part in (loop, *_inside(loop)) if (one := assignment(part)) is not None]
    return [(name, value) for targets, value in found for target in targets for name in stored_names(target)]


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and reads_elements(node)


def _reads_moving(index: ast.expr, moving: Set[str]) -> bool:
    return any(isinstance(one, ast.Subscript) and _has(one.slice, moving) for one in nodes_of(index))


def _has(expression: ast.AST, names: Set[str]) -> bool:
    return any(isinstance(one, ast.Name) and one.id in names for one in nodes_of(expression))


def _apart(loop: Loop, names: frozenset[str]) -> list[ast.Subscript]:
    """Return the elements of rows that differ for neighbouring threads, where each turn has others of the same row."""
    turning = {name for name, _ in _assigned(loop)}
    elements = [part for part in _inside(loop) if isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name)]
    apart = [one for one in elements if _has(one.slice, turning) and lies_apart(one.slice, names)]
    return [one for one in apart if not any(_has(row, turning) for row in _rows(one.slice))]


def _rows(index: ast.expr) -> list[ast.expr]:
    """Return what tells an element's row: all but the last of its indices, or what is multiplied."""
    if isinstance(index, ast.Tuple):
        return index.elts[:-1]
    return [one for one in nodes_of(index) if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mult)]


def _work(unit: Unit, loop: Loop, vector_math: bool) -> int:
    """Return about how much a turn computes, in sums and products; what it computes places of is not counted."""
    total, waiting = 0, [*loop.body, *([loop.test] if isinstance(loop, ast.While) else [])]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Subscript):
            continue
        if isinstance(node, ast.BinOp):
            total += DIVISION if isinstance(node.op, ast.Div) else 1
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            total += _call_work(unit.names.evaluate(node.func), vector_math)
        waiting.extend(ast.iter_child_nodes(node))
    return total


def _call_work(function: Any, vector_math: bool) -> int:
    if function is math.sqrt:
        return ROOT
    return LONG if vector_math and any(function is one for one in FUNCTIONS) else 0
