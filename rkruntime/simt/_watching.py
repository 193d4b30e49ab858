"""Where that is wanted, subscripts and atomics get calls of ours that look at the index first, and say what was wrong.

An array that is a name, a field or an element of one may be computed twice, so its index is checked on the way. Of
others, the index is computed twice, if that calls nothing, and so are indices that numba has to know while it types a
kernel: those of tuples. Pure.
"""

from __future__ import annotations

import ast

import numpy as np

from rkruntime.simt._copied import copied
from rkruntime.simt._names import UNKNOWN, Names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._program import CONTEXT, PREFIX, called

__all__ = ("watched_atomic", "watched_subscript")

_HARMLESS = frozenset(
    f"{PREFIX}{name}{axes}"
    for name in ("thread_idx", "block_idx", "block_dim", "grid_dim", "grid", "gridsize", "laneid", "checked", "within")
    for axes in ("", "_1", "_2", "_3")
)
_BUILTINS = (abs, bool, float, int, len, max, min)
_EXTENTS = ("shape", "strides")


def watched_subscript(node: ast.Subscript, names: Names) -> ast.expr:
    """Return a subscript that checks itself, where numba's own check could not say what was wrong.

    Args:
        node: A rewritten subscript, which is changed.
        names: What names stand for.
    """
    array, index = node.value, node.slice
    probe, whole = _numbers(index)
    known = names.evaluate(index)
    if probe is None or isinstance(known, str) or _holds_no_elements(array, names):
        return node
    if whole and known is UNKNOWN and _can_be_repeated(array, names):
        node.slice = _call("checked", copied(array), index, at=index)
    elif _can_be_repeated(probe, names):
        node.value = _call("within", array, copied(probe), at=index)
    elif whole and isinstance(node.ctx, ast.Load):
        return _call("element", array, index, at=index)
    return node


def watched_atomic(array: ast.expr, index: ast.expr | None, names: Names, at: ast.AST) -> list[ast.expr]:
    """Return the first arguments of an atomic operation, which check each other: numba checks no index of these.

    Args:
        array: What to change an element of.
        index: Which; None for the operation that always takes the first.
        names: What names stand for.
        at: The call.
    """
    if index is None:
        return [_call("within", array, ast.Constant(0), at=at)]
    if _can_be_repeated(array, names):
        return [array, _call("checked", copied(array), index, at=index)]
    if _can_be_repeated(index, names):
        return [_call("within", array, copied(index), at=index), index]
    return [ast.Starred(_call("both", array, index, at=index), ast.Load())]


def _call(name: str, array: ast.expr, index: ast.expr, at: ast.AST) -> ast.Call:
    line = ast.Constant(getattr(at, "lineno", 0))
    return called(name, ast.Name(CONTEXT, ast.Load()), array, index, line, at=at)


def _numbers(index: ast.expr) -> tuple[ast.expr | None, bool]:
    """Return an index with None for slices and without new axes, and whether it is the same; None for no numbers."""
    if not isinstance(index, ast.Tuple):
        return (None, False) if isinstance(index, ast.Slice) or _is_no_number(index) else (index, True)
    axes = (one for one in index.elts if not (isinstance(one, ast.Constant) and one.value is None))
    parts: list[ast.expr] = [ast.Constant(None) if isinstance(one, ast.Slice) else one for one in axes]
    if all(map(_is_no_number, parts)):
        return None, False
    whole = len(parts) == len(index.elts) and not any(map(_is_no_number, parts))
    return ast.copy_location(ast.Tuple(parts, ast.Load()), index), whole


def _is_no_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in (None, Ellipsis)


def _holds_no_elements(array: ast.expr, names: Names) -> bool:
    """Whether what is subscripted is no array for certain: an array's shape, or what is known and none."""
    if isinstance(array, ast.Attribute) and array.attr in _EXTENTS:
        return True
    known = names.evaluate(array)
    return known is not UNKNOWN and not isinstance(known, np.ndarray)


def _can_be_repeated(node: ast.expr, names: Names) -> bool:
    """Whether an expression may be computed twice: it calls nothing but what only looks."""
    for one in nodes_of(node):
        if isinstance(one, ast.NamedExpr):
            return False
        if isinstance(one, ast.Call):
            name = one.func.id if isinstance(one.func, ast.Name) else ""
            if name not in _HARMLESS and not any(names.value(name) is builtin for builtin in _BUILTINS):
                return False
    return True
