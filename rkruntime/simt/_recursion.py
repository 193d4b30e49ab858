"""Device functions that call themselves: how deep they may go, and how they are stopped.

A CPU would end the process where the stack ends. So each function that can reach itself looks, as it begins, how far
its stack has grown, and whether the launch is cancelled: recursion without end need not be deep, and has no loop that
would look.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from types import FunctionType

from rkruntime.simt._rewrite import CONTEXT, Unit, called

__all__ = ("add_descent", "recursive_functions")


def recursive_functions(units: Mapping[FunctionType, Unit]) -> frozenset[FunctionType]:
    """Return the functions that can reach themselves by calls."""
    reached = {function: set(unit.devices.values()) for function, unit in units.items()}
    grown = True
    while grown:
        grown = False
        for callees in reached.values():
            further = set().union(*(reached.get(one, set()) for one in callees)) - callees
            callees |= further
            grown = grown or bool(further)
    return frozenset(function for function, callees in reached.items() if function in callees)


def add_descent(tree: ast.FunctionDef) -> ast.FunctionDef:
    """Let a definition look first how deep it is; `tree` is changed."""
    looks = ast.Expr(called("descend", ast.Name(CONTEXT, ast.Load()), ast.Constant(tree.lineno), at=tree))
    tree.body.insert(0, ast.fix_missing_locations(ast.copy_location(looks, tree)))
    return tree
