"""The source of a lambda: the expression in its file that stands where its code says that it came from."""

from __future__ import annotations

import ast
import linecache
from types import CodeType

from rkruntime.simt._define import defined
from rkruntime.simt._nodes import nodes_of

__all__ = ("read_lambda",)

NAME = "lambda_"


def read_lambda(code: CodeType) -> ast.FunctionDef | None:
    """Return a lambda as a definition, or None where its file does not hold it."""
    text = "".join(linecache.getlines(code.co_filename))
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    for node in nodes_of(tree):
        if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno and _is(node, code):
            return defined(NAME, node.args, [ast.copy_location(ast.Return(node.body), node.body)], node)
    return None


def _is(node: ast.Lambda, code: CodeType) -> bool:
    """Whether a lambda is the one that was compiled to this code: its expression stands where the code says."""
    given, body = node.args, _placed(node.body)
    parameters = tuple(one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs))
    place = body.lineno, body.end_lineno, body.col_offset, body.end_col_offset
    if parameters != code.co_varnames[: len(parameters)]:
        return False
    places = set(code.co_positions())
    if place in places or not isinstance(body, ast.Constant):
        return place in places
    told = any(begin != end for _, _, begin, end in places)  # Python 3.12 tells no place of a constant
    return not told and any(type(one) is type(body.value) and one == body.value for one in code.co_consts)


def _placed(node: ast.expr) -> ast.expr:
    """Return the part of an expression that an instruction is for: jumps have the places of what they depend on."""
    condition = False
    while True:
        if isinstance(node, ast.IfExp):
            node, condition = node.test, True
        elif condition and isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            node = node.operand
        elif condition and isinstance(node, ast.BoolOp):
            node = node.values[0]
        else:
            return node
