"""Arrays that a kernel does nothing with but add to, atomically: each worker can add to a copy of its own. Pure.

A histogram is the example. Nobody in the kernel can tell: no thread reads such an array, and the order of additions is
nobody's. Copies are merged, by atomic additions again, after each chunk of blocks.
"""

from __future__ import annotations

import ast

from rkruntime.simt._names import assigned_names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._uniform import EXTENTS

__all__ = ("added_to_only",)

MOST = 2  # arrays, of which a worker keeps copies on its stack
_ADDING = ("_rk_atomic_add", "_rk_atomic_sub")


def added_to_only(tree: ast.FunctionDef) -> tuple[int, ...]:
    """Return the places of the parameters, counted from 0 without the context, that are added to and no more.

    Args:
        tree: The rewritten kernel, with the context as its first parameter.
    """
    parameters = [one.arg for one in tree.args.args][1:]
    bound = assigned_names(tree)
    harmless: set[ast.AST] = set()
    added: set[str] = set()
    for node in nodes_of(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            if isinstance(call.func, ast.Name) and call.func.id in _ADDING and isinstance(call.args[0], ast.Name):
                harmless.add(call.args[0])
                added.add(call.args[0].id)
        elif isinstance(node, ast.Attribute) and node.attr in EXTENTS and isinstance(node.ctx, ast.Load):
            harmless.add(node.value)
    used_otherwise = {
        node.id for node in nodes_of(tree) if isinstance(node, ast.Name) and node not in harmless
    } | bound.keys()
    found = [k for k, name in enumerate(parameters) if name in added and name not in used_otherwise]
    return tuple(found[:MOST])
