"""Which loops LLVM makes vectors of by itself: along what one thread reads, where only whole numbers are summed. Pure.

Whole numbers may be summed in any order, and neighbours in a row are one load, where lanes gather an element of each
thread's row. Of real numbers the order counts, so that a thread takes one after the other.

Measured on registers of 64 bytes, lanes' time over the loop's: sums of rows of int32 1.25 and of int64 1.08, their
greatest 1.10, how many are above a limit 1.21 (0.89 where rows come from memory and not from the cache), the signs of
32 numbers as bits 2.3, pairs of near points 2.5. Of bytes, which are gathered as words, 0.36 to 0.85; with `popc`, 0.4
to 0.6; where data say which rows, 0.6.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np

from rkruntime.simt._assigned import assignment, comes_from, stored_names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._numba import types
from rkruntime.simt._program import PREFIX, Program, Unit

__all__ = ("sums_along_rows",)

ANY_ORDER = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor)
CHOOSING = (min, max)
PLAIN = (abs, int, *CHOOSING)
LEAST_BITS = 32
OURS = (PREFIX + "shift_left", PREFIX + "shift_right", PREFIX + "interrupt")
PARTING = (ast.stmt, ast.BoolOp, ast.FloorDiv, ast.Mod, ast.Pow)  # of the operators there are no vectors
STRAIGHT = (ast.Assign, ast.AugAssign, ast.If, ast.Expr)


def sums_along_rows(program: Program, argument_types: Sequence[Any]) -> str | None:
    """Return where the first of a kernel's innermost loops is, if all are such; or None.

    Args:
        program: The kernel, which has no barriers, and its device functions.
        argument_types: Numba's types of its arguments.
    """
    unit = program.kernel
    if len(program.units) > 1 or unit.local_bytes:
        return None
    given = dict(zip(unit.source.parameters, argument_types, strict=True))
    loops = [node for node in nodes_of(unit.tree) if isinstance(node, ast.For | ast.While)]
    innermost = [loop for loop in loops if not any(part in loops for one in loop.body for part in nodes_of(one))]
    if not innermost or not all(_is_vector(unit, given, loop) for loop in innermost):
        return None
    return f"{unit.source.file}:{innermost[0].lineno}"


def _is_vector(unit: Unit, given: Mapping[str, Any], loop: ast.For | ast.While) -> bool:
    parts = [part for one in loop.body for part in nodes_of(one)]
    if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Name) or loop.orelse:
        return False
    called = loop.iter
    if not isinstance(called, ast.Call) or unit.names.evaluate(called.func) is not range or len(called.args) > 2:
        return False
    if any(isinstance(part, PARTING) and not isinstance(part, STRAIGHT) for part in parts):
        return False
    if any(isinstance(part, ast.Subscript | ast.Attribute) and isinstance(part.ctx, ast.Store) for part in parts):
        return False
    if not all(_is_plain(unit, part) for part in parts if isinstance(part, ast.Call)):
        return False
    turn, assigned = loop.target.id, {name for part in parts for name in _assigned(part)}
    reads = [part for part in parts if isinstance(part, ast.Subscript) and _has(part.slice, {turn, *assigned})]
    if not assigned or not all(_is_along(one.slice, turn, assigned) for one in reads):
        return False
    if not all(_is_long(given.get(one.value.id)) for one in reads if isinstance(one.value, ast.Name)):
        return False
    starts_apart = len(called.args) == 2 and not isinstance(called.args[0], ast.Constant)
    if starts_apart and comes_from(called.args[0], frozenset()):
        return False
    if not any(starts_apart or not isinstance(one.slice, ast.Name) for one in reads):
        return False  # all threads read the same, which is one load for all lanes
    return all(_in_any_order(unit, given, loop, name) for name in assigned)


def _is_long(array: Any) -> bool:
    return isinstance(array, types.Array) and getattr(array.dtype, "bitwidth", 0) >= LEAST_BITS


def _assigned(node: ast.AST) -> Iterator[str]:
    found = assignment(node)
    for target in found[0] if found is not None else ():
        yield from stored_names(target)


def _has(expression: ast.AST, names: Set[str]) -> bool:
    return any(isinstance(part, ast.Name) and part.id in names for part in nodes_of(expression))


def _is_plain(unit: Unit, call: ast.Call) -> bool:
    """Whether a call is a conversion, or one of few functions of which there are vectors."""
    if isinstance(call.func, ast.Name) and call.func.id in OURS:
        return True
    function = unit.names.evaluate(call.func)
    if isinstance(function, types.Number) or (isinstance(function, type) and issubclass(function, np.number)):
        return True
    return any(function is one for one in PLAIN)


def _is_along(index: ast.expr, turn: str, assigned: Set[str]) -> bool:
    """Whether neighbouring turns read neighbours, and neighbouring threads others: `k`, or `i * n + k`, at the end."""
    *others, last = index.elts if isinstance(index, ast.Tuple) else [index]
    if any(_has(one, {turn, *assigned}) for one in others):
        return False
    if isinstance(last, ast.BinOp) and isinstance(last.op, ast.Add):
        row, last = (last.left, last.right) if isinstance(last.left, ast.BinOp) else (last.right, last.left)
        if not isinstance(row, ast.BinOp) or not isinstance(row.op, ast.Mult) or _has(row, {turn, *assigned}):
            return False
    return isinstance(last, ast.Name) and last.id == turn


def _in_any_order(unit: Unit, given: Mapping[str, Any], loop: ast.For | ast.While, name: str) -> bool:
    """Whether a name is no turn's business but its own, or a sum of whole numbers that no turn looks at."""
    parts = [part for one in loop.body for part in nodes_of(one)]
    stores = [part for part in parts if isinstance(part, ast.Assign | ast.AugAssign) and name in _assigned(part)]
    sums = [part for part in stores if isinstance(part, ast.AugAssign) or _chooses(unit, part, name)]
    reads = [
        part for part in parts if isinstance(part, ast.Name) and part.id == name and isinstance(part.ctx, ast.Load)
    ]
    if not sums:
        first = stores[0]
        return first in loop.body and not any(read.lineno <= first.lineno for read in reads)
    if len(stores) > 1 or not _is_whole(unit, given, ast.Name(name, ast.Load()), frozenset()):
        return False
    in_place = sums[0]
    if isinstance(in_place, ast.AugAssign):
        return isinstance(in_place.op, ANY_ORDER) and not reads
    return len(reads) == 1


def _chooses(unit: Unit, node: ast.Assign, name: str) -> bool:
    """Whether this is `name = min(name, ...)`, or `max`."""
    value = node.value
    if not isinstance(value, ast.Call) or not any(unit.names.evaluate(value.func) is one for one in CHOOSING):
        return False
    return any(isinstance(one, ast.Name) and one.id == name for one in value.args)


def _is_whole(unit: Unit, given: Mapping[str, Any], expression: ast.expr, followed: frozenset[str]) -> bool:
    """Whether an expression is a whole number, as far as its parts tell."""

    def whole(one: ast.expr) -> bool:
        return _is_whole(unit, given, one, followed)

    if isinstance(expression, ast.Constant):
        return isinstance(expression.value, int)
    if isinstance(expression, ast.Name):
        name = expression.id
        if name in given or name in followed:
            return name in followed or isinstance(given[name], types.Integer | types.Boolean)
        values = [found[1] for node in nodes_of(unit.tree) if name in _assigned(node) and (found := assignment(node))]
        deeper = followed | {name}
        return bool(values) and all(_is_whole(unit, given, value, deeper) for value in values)
    if isinstance(expression, ast.Subscript):
        array = given.get(expression.value.id) if isinstance(expression.value, ast.Name) else None
        of_whole = isinstance(array, types.Array) and isinstance(array.dtype, types.Integer | types.Boolean)
        return of_whole or (isinstance(expression.value, ast.Attribute) and expression.value.attr == "shape")
    if isinstance(expression, ast.BinOp):
        return not isinstance(expression.op, ast.Div | ast.Pow) and whole(expression.left) and whole(expression.right)
    if isinstance(expression, ast.UnaryOp):
        return whole(expression.operand)
    if isinstance(expression, ast.Call):
        function = unit.names.evaluate(expression.func)
        if function is range or any(function is one for one in CHOOSING):
            return all(map(whole, expression.args))
        is_cast = isinstance(function, types.Integer) or (
            isinstance(function, type) and issubclass(function, np.integer)
        )
        return is_cast or function is int or (isinstance(expression.func, ast.Name) and expression.func.id in OURS)
    return isinstance(expression, ast.Compare | ast.Attribute)
