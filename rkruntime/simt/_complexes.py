"""Which kernels over arrays of complex numbers are left to one thread after the other. Pure.

Measured, against lanes (`bench/bench_lowerings.py`, registers of 32 bytes): where each thread reads along a row of its
own, lanes gather both parts, and take 1.1 to 2 times as long at every width. In a `while` loop of numbers of two times
eight bytes they take from 0.7 times as long, where neighbours end alike, to 1.6 times.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from rkruntime.simt._assigned import assignment, followed, stored_names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._program import PREFIX

__all__ = ("apart_along_x", "lies_apart", "reads_rows")

ALONG_X = frozenset(PREFIX + name for name in ("grid_1", "place_x", "laneid"))
TUPLES = frozenset(PREFIX + name for name in ("grid_2", "grid_3", "thread_idx_3"))


def reads_rows(tree: ast.FunctionDef, arrays: frozenset[str]) -> ast.Subscript | None:
    """Return where a loop reads what lies apart for neighbouring threads, or None for nowhere.

    Args:
        tree: A kernel, rewritten.
        arrays: The arrays to look at, by name.
    """
    if not arrays:
        return None
    names = apart_along_x(tree)
    for loop in nodes_of(tree):
        if isinstance(loop, ast.For | ast.While):
            for part in (node for statement in loop.body for node in nodes_of(statement)):
                if not isinstance(part, ast.Subscript) or not isinstance(part.value, ast.Name):
                    continue
                is_read = isinstance(part.ctx, ast.Load) and part.value.id in arrays
                if is_read and lies_apart(part.slice, names):
                    return part
    return None


def apart_along_x(tree: ast.FunctionDef) -> frozenset[str]:
    """Return the names that differ among threads along x."""
    return followed(tree, _assigned)


def lies_apart(index: ast.expr, names: frozenset[str]) -> bool:
    """Whether an index is in a row of the thread's own: it differs in what is not its last part, or by a factor."""
    if isinstance(index, ast.Tuple):
        return any(_differs(one, names) for one in index.elts[:-1])
    products = (one for one in nodes_of(index) if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mult))
    return any(_differs(one, names) for one in products)


def _assigned(node: ast.AST, names: frozenset[str]) -> Iterator[str]:
    """Yield the names that a node gives values that differ among threads along x, by what they are computed from."""
    assigned = assignment(node)
    if assigned is None:
        return
    (target, *_), value = assigned
    if isinstance(target, ast.Tuple) and _calls(value, TUPLES):
        yield from stored_names(target.elts[0])
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for one, given in zip(target.elts, value.elts, strict=True):
            yield from stored_names(one) if _differs(given, names) else ()
    elif _differs(value, names):
        yield from stored_names(target)


def _calls(node: ast.AST, functions: frozenset[str]) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions


def _differs(value: ast.AST, names: frozenset[str]) -> bool:
    """Whether an expression has a name that differs, or asks where along x a thread is."""
    return any(
        (isinstance(one, ast.Name) and one.id in names) or _calls(one, ALONG_X | TUPLES) or _is_index(one)
        for one in nodes_of(value)
    )


def _is_index(node: ast.AST) -> bool:
    if not _calls(node, frozenset({PREFIX + "thread_idx"})):
        return False
    assert isinstance(node, ast.Call)
    axis = node.args[1]
    return isinstance(axis, ast.Constant) and axis.value == 0
