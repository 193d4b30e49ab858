"""What draws random numbers: functions of numba.cuda.random, and device functions that are given a state to draw from.

A device function draws if all that it does with its array of states and their index is to draw, itself or by others.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import FunctionType

import attrs

from rkruntime.errors import UnsupportedKernel
from rkruntime.simt._names import Names, assigned_names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._program import PREFIX
from rkruntime.simt._read import plain_function, read
from rkruntime.simt._uniform import EXTENTS
from rkruntime.simt._variants import bound_to, signatures_of, variant_of

__all__ = ("Draws", "held_in", "mentions")

HELD = f"{PREFIX}held_states"
Place = tuple[str, str]


@attrs.frozen(eq=False)
class _Drawer:
    """Stands for a device function whose array of states is what a loop holds."""

    py_func: FunctionType


class Draws:
    """Finds calls that draw from the state of one place, in one function.

    Args:
        names: What the function's names stand for.
        kinds: The names of the functions of numba.cuda.random, by their ids.
        outer: Functions from which the function is called, of which one that calls itself is no drawer.
    """

    def __init__(self, names: Names, kinds: dict[int, str], outer: frozenset[FunctionType] = frozenset()) -> None:
        self.names = names
        self.kinds = kinds
        self.drawers: dict[str, _Drawer] = {}
        self._outer = outer
        self._places: dict[FunctionType, Place | None] = {}

    def kind_of(self, node: ast.AST) -> str | None:
        """Return which function of numba.cuda.random a node calls, if any."""
        return self.kinds.get(id(self.names.evaluate(node.func))) if isinstance(node, ast.Call) else None

    def place_of(self, node: ast.AST) -> Place | None:
        """Return the names of the array and index that a node draws from; empty ones where it draws from elsewhere."""
        if not isinstance(node, ast.Call):
            return None
        if self.kind_of(node) is not None:
            places = [one.id if isinstance(one, ast.Name) else "" for one in node.args]
            return ("", "") if len(places) != 2 or "" in places or node.keywords else (places[0], places[1])
        function = self._function(node)
        inner = None if function is None else self._place_in(function)
        if function is None or inner is None:
            return None
        parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
        given = dict(zip(parameters, node.args, strict=False))
        found = [given.get(name) for name in inner]
        if node.keywords or any(isinstance(one, ast.Starred) for one in node.args):
            return "", ""
        states, index = (one.id if isinstance(one, ast.Name) else "" for one in found)
        return (states, index) if states and index else ("", "")

    def drawer(self, node: ast.Call) -> str:
        """Return the name of what stands for the device function that a call draws by."""
        function = self._function(node)
        assert function is not None
        made = variant_of(function, {HELD: self._place_in(function)})
        for name, one in self.drawers.items():
            if one.py_func == made:
                return name
        name = f"{PREFIX}drawer_{len(self.drawers)}_{function.__name__}"
        self.drawers[name] = _Drawer(made)
        return name

    def _function(self, node: ast.Call) -> FunctionType | None:
        """Return the device function that a call calls, if it takes whatever it is given."""
        value = self.names.evaluate(node.func)
        function = plain_function(value)
        if function is None or isinstance(value, FunctionType) or signatures_of(value):
            return None
        return function if type(value).__module__.startswith("numba.cuda") else None

    def _place_in(self, function: FunctionType) -> Place | None:
        if function not in self._places:
            self._places[function] = None if function in self._outer else self._look_into(function)
        return self._places[function]

    def _look_into(self, function: FunctionType) -> Place | None:
        """Return the parameters that are the array and the index, if all that is done with them is to draw."""
        try:
            tree = read(function, function.__name__, device=True).tree
        except UnsupportedKernel:
            return None
        names = Names(function, tree, bound_to(function))
        inside, inner = nodes_of(tree), Draws(names, self.kinds, self._outer | {function})
        places = [place for place in map(inner.place_of, inside) if place]
        if len(set(places)) != 1 or not set(places[0]) <= names.parameters:
            return None
        bound = assigned_names(tree)
        nested = any(isinstance(node, ast.FunctionDef | ast.Lambda) and node is not tree for node in inside)
        named = sum(isinstance(node, ast.Name) and node.id == places[0][0] for node in inside)  # for its extents, too
        if nested or any(bound[name] for name in places[0]) or named != len(places):
            return None
        return places[0]


def held_in(function: FunctionType) -> str | None:
    """Return the parameter of a function that is what a loop holds, if one is."""
    place: Place | None = bound_to(function).get(HELD)
    return None if place is None else place[0]


def mentions(nodes: Sequence[ast.AST], name: str) -> int:
    """Count how often nodes name an array, other than to ask for its extents."""
    asked = {id(one.value) for one in nodes if isinstance(one, ast.Attribute) and one.attr in EXTENTS}
    return sum(isinstance(one, ast.Name) and one.id == name and id(one) not in asked for one in nodes)
