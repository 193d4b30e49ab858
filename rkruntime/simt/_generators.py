"""Loops that draw random numbers hold their generator's state in an array of the thread's own, from before to after.

In memory a state is a record. One thread after the other keeps it in registers, since LLVM takes loads and stores of
one place out of loops; lanes gather and scatter it in each turn, which takes them as long. Held, they take a fifth of
that (16,384 threads that draw 512 numbers each, with AVX-512), and the numbers are the same.

It is done where a loop mentions the array of states only to draw from the state of one place, a sum with the thread's
own place in the grid or block in it. A thread that draws nothing neither needs that state to be there nor stores it.
Device functions that are given both and do nothing else with them draw from what is held, too (`_drawers.py`).
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np

from rkruntime.simt import _random
from rkruntime.simt._copied import copied
from rkruntime.simt._drawers import Draws, held_in, mentions
from rkruntime.simt._features import Category, Feature, feature_of
from rkruntime.simt._names import Names, assigned_names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._placed import placed, statements_at
from rkruntime.simt._program import PREFIX
from rkruntime.simt._read import Source
from rkruntime.simt._variants import bound_to

__all__ = ("with_states_held",)

DRAWS = {
    "xoroshiro128p_next": _random.next_bits,
    "xoroshiro128p_uniform_float32": _random.uniform_float32,
    "xoroshiro128p_uniform_float64": _random.uniform_float64,
    "xoroshiro128p_normal_float32": _random.normal_float32,
    "xoroshiro128p_normal_float64": _random.normal_float64,
}
ARRAY, WORD, DRAW = f"{PREFIX}local_array_of", f"{PREFIX}word", f"{PREFIX}draw_"
NESTED = (ast.FunctionDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

BEFORE = """
{held} = {array}({words}, {word})
{held}[0] = 0
{held}[1] = 0
{held}[{used}] = 0
if {index} < {states}.shape[0]:
    {held}[0] = {states}[{index}]["s0"]
    {held}[1] = {states}[{index}]["s1"]
"""
AFTER = """
if {held}[{used}] != 0:
    {states}[{index}]["s0"] = {held}[0]
    {states}[{index}]["s1"] = {held}[1]
"""


def with_states_held(source: Source) -> Source:
    """Return a function whose loops hold their generators' states; the same one where none can.

    Args:
        source: A function as its author wrote it.
    """
    random = sys.modules.get("numba.cuda.random")
    if random is None:  # so that nothing can have been imported from it
        return source
    names = Names(source.function, source.tree, bound_to(source.function))
    draws = Draws(names, {id(getattr(random, name)): name for name in DRAWS})
    given = held_in(source.function)
    if given is None and not any(draws.place_of(node) for node in nodes_of(source.tree)):
        return source
    tree = copied(source.tree)
    if given is not None:
        tree = _Drawing(draws, given, lambda _: []).visit(tree)
    else:
        holding = _Holding(source, names, draws)
        tree = holding.visit(tree)
        if not holding.count:
            return source
    local: Any = importlib.import_module("numba.cuda").local
    functions = {DRAW + name: function for name, function in DRAWS.items()}
    known = {**source.known, **functions, **draws.drawers, ARRAY: local.array, WORD: np.uint64}
    return attrs.evolve(source, tree=ast.fix_missing_locations(tree), known=known)


class _Holding(ast.NodeTransformer):
    """Rewrites the outermost loops for which it can be done."""

    def __init__(self, source: Source, names: Names, draws: Draws) -> None:
        self.names = names
        self.draws = draws
        self.count = 0
        self.bound = assigned_names(source.tree)
        self.values: dict[str, ast.expr] = {}  # what each name is assigned, if only once
        for node in nodes_of(source.tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                target = node.targets[0]
                for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                    if isinstance(one, ast.Name) and self.bound[one.id] == 1 and one.id not in names.parameters:
                        self.values[one.id] = node.value

    def visit_For(self, node: ast.For) -> Any:
        """Hold a loop's state."""
        return self._loop(node)

    def visit_While(self, node: ast.While) -> Any:
        """Hold a loop's state."""
        return self._loop(node)

    def _loop(self, loop: ast.For | ast.While) -> Any:
        place = self._place(loop)
        if place is None:
            return self.generic_visit(loop)  # a loop in it may do
        states, index = place
        held = f"{PREFIX}generator_{self.count}"
        self.count += 1
        text = {"held": held, "states": states, "index": index, "used": _random.USED}
        before = statements_at(loop, BEFORE, array=ARRAY, word=WORD, words=_random.WORDS, **text)
        drawing = _Drawing(self.draws, held, lambda at: statements_at(at, AFTER, **text))
        return [*before, drawing.visit(loop), *statements_at(loop, AFTER, **text)]

    def _place(self, loop: ast.For | ast.While) -> tuple[str, str] | None:
        """Return the names of the array of states and of the index of the one that a loop draws from, if it is one."""
        inside = nodes_of(loop)
        places = [place for place in map(self.draws.place_of, inside) if place]
        if len(set(places)) != 1 or any(isinstance(node, NESTED) for node in inside):
            return None
        states, index = places[0]
        stored = {one.id for one in inside if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
        if states not in self.names.parameters or self.bound[states] or index in stored:
            return None
        if mentions(inside, states) != len(places):
            return None
        return (states, index) if index in self.values and self._is_own(self.values[index]) else None

    def _is_own(self, expression: ast.expr) -> bool:
        """Whether an expression is the thread's own: a sum of products with its place in the grid or block in it."""
        leaves = list(self._leaves(expression))
        features = [self._feature(leaf) for leaf in leaves]
        if not all(feature is not None or _is_count(leaf) for leaf, feature in zip(leaves, features, strict=True)):
            return False
        return any(feature is not None and feature.name in ("grid", "thread_idx") for feature in features)

    def _leaves(self, expression: ast.expr) -> Iterator[ast.expr]:
        if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.Add | ast.Mult):
            yield from self._leaves(expression.left)
            yield from self._leaves(expression.right)
        elif isinstance(expression, ast.Name) and expression.id in self.values:
            yield from self._leaves(self.values[expression.id])
        else:
            yield expression

    def _feature(self, leaf: ast.expr) -> Feature | None:
        """Return what of numba.cuda's indices and extents an expression is, if any."""
        owner = leaf.func if isinstance(leaf, ast.Call) else leaf.value if isinstance(leaf, ast.Attribute) else None
        feature = None if owner is None else feature_of(self.names.evaluate(owner))
        return feature if isinstance(feature, Feature) and feature.category is Category.INDEX else None


class _Drawing(ast.NodeTransformer):
    """Draws from what is held, and stores it before the thread returns from within."""

    def __init__(self, draws: Draws, held: str, after: Callable[[ast.stmt], list[ast.stmt]]) -> None:
        self.draws, self.held, self.after = draws, held, after

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Replace a call of numba.cuda.random's, or of a device function that draws."""
        place, kind = self.draws.place_of(node), self.draws.kind_of(node)
        self.generic_visit(node)
        if place is None:
            return node
        held = ast.Name(self.held, ast.Load())
        if kind is not None:
            made = ast.Call(ast.Name(DRAW + kind, ast.Load()), [held], [])
        else:
            args = [held if isinstance(one, ast.Name) and one.id == place[0] else one for one in node.args]
            made = ast.Call(ast.Name(self.draws.drawer(node), ast.Load()), args, [])
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def visit_Return(self, node: ast.Return) -> list[ast.stmt]:
        """Store the state first; what is returned may draw a number yet."""
        if node.value is None or not any(map(self.draws.place_of, nodes_of(node.value))):
            return [*self.after(node), node]
        name = f"{self.held}_returned"
        kept = ast.Assign([ast.Name(name, ast.Store())], self.visit(node.value))
        returned = ast.Return(ast.Name(name, ast.Load()))
        return [placed(kept, node), *self.after(node), placed(returned, node)]


def _is_count(leaf: ast.expr) -> bool:
    return isinstance(leaf, ast.Constant) and isinstance(leaf.value, int) and leaf.value >= 0
