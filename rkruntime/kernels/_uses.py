"""What a kernel's body says of its parameters, before anything is compiled: which are arrays, and of how many axes.

Only what holds for every launch is read: numba gives one type to each variable of a function, whichever way its threads
go. What a body does not say is left to the compiler, which has the last word.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import attrs
import numpy as np

from rkruntime.errors import ArgumentMismatch, UnsupportedKernel
from rkruntime.kernels._arguments import describe
from rkruntime.kernels._spec import KernelSpec

__all__ = ("Use", "check_uses", "uses_of")

OF_ARRAYS = frozenset(("ndim", "shape", "size", "strides"))
MOST_KINDS = 256
"""Kinds of arguments that are remembered of a kernel: whoever asks may not add to them without end."""
NUMBER = -1
"""Axes of what is no array."""


@attrs.frozen
class Use:
    """One place that says what a parameter must be: a whole number, or an array of so many axes.

    Args:
        parameter: Its name.
        line: The line of the file.
        text: What stands there.
        least: Axes at least; None for a whole number.
        most: Axes at most; None where more would do.
    """

    parameter: str
    line: int
    text: str
    least: int | None = None
    most: int | None = None

    def takes(self, value: Any) -> bool:
        """Whether an argument may be used so."""
        if self.least is None:
            return np.result_type(getattr(value, "dtype", type(value))).kind not in "fc"
        is_array = hasattr(value, "shape") and not isinstance(value, np.generic)
        axes = len(value.shape) if is_array else NUMBER
        return self.least <= axes and (self.most is None or axes <= self.most)

    def __str__(self) -> str:
        what = "a whole number"
        if self.least is not None:
            bound = "" if self.least == self.most else "at least "
            what = f"an array of {bound}{self.least} {'axis' if self.least == 1 else 'axes'}"
        return f"{what}, since line {self.line} has {self.text}"


def check_uses(spec: KernelSpec, args: Sequence[Any]) -> None:
    """Hold a launch's arguments to what the kernel's body does with them.

    Args:
        spec: The kernel.
        args: A value for each of its parameters: numbers, and what has a dtype and a shape.

    Raises:
        ArgumentMismatch: The kernel cannot compile for one of them.
    """
    uses, good = _seen(spec)
    # All that a use depends on.
    kinds = tuple([(type(arg), arg.dtype, len(arg.shape)) if hasattr(arg, "shape") else type(arg) for arg in args])
    if kinds in good:
        return
    values = dict(zip(spec.parameters, args, strict=True))
    for use in uses:
        if not use.takes(values[use.parameter]):
            got = describe(values[use.parameter])
            raise ArgumentMismatch(spec.name, use.parameter, got, str(use), "give it the shape and type that fit there")
    if len(good) < MOST_KINDS:
        good.add(kinds)


@lru_cache(maxsize=4096)
def _seen(spec: KernelSpec) -> tuple[tuple[Use, ...], set[tuple[Any, ...]]]:
    """Return a kernel's uses, and the kinds of arguments that were found to fit them."""
    return uses_of(spec), set()


def uses_of(spec: KernelSpec) -> tuple[Use, ...]:
    """Read a kernel's body; nothing is known of one that has no source, or whose arguments extensions replace."""
    from rkruntime.simt._read import read

    if "extensions" in spec.source.options:
        return ()
    try:
        function: Any = spec.function  # which type checkers take for a method
        tree = read(function, spec.name).tree
    except UnsupportedKernel:  # its launch will say so
        return ()
    changed = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    found: dict[object, Use] = {}
    for use in _Reader(frozenset(spec.parameters) - changed, changed).read(tree.body):
        found.setdefault((use.parameter, use.least, use.most), use)
    return tuple(found.values())


class _Reader:
    """Reads uses out of statements.

    Args:
        asked: Parameters that the body never assigns to.
        changed: Variables that it does.
    """

    def __init__(self, asked: frozenset[str], changed: set[str]) -> None:
        self._asked = asked
        self._changed = changed

    def read(self, nodes: Sequence[ast.AST]) -> Iterator[Use]:
        """Yield the uses in these nodes, those aside that the compiler may find it never comes to."""
        for node in nodes:
            yield from self._use(node)
            if isinstance(node, ast.FunctionDef | ast.Lambda | ast.comprehension):
                continue  # names mean other things there
            if isinstance(node, ast.If | ast.IfExp | ast.BoolOp) and not self._varies(node):
                continue
            yield from self.read([*ast.iter_child_nodes(node)])

    def _varies(self, node: ast.If | ast.IfExp | ast.BoolOp) -> bool:
        """Whether a condition depends on a variable: of others numba may drop the side that is not taken."""
        tested = node.values[0] if isinstance(node, ast.BoolOp) else node.test
        return any(isinstance(each, ast.Name) and each.id in self._changed for each in ast.walk(tested))

    def _use(self, node: ast.AST) -> Iterator[Use]:
        if isinstance(node, ast.Subscript):
            yield from self._subscript(node)
        elif isinstance(node, ast.Attribute) and node.attr in OF_ARRAYS:
            yield from self._array(node.value, node, 0)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            names = node.targets[0].elts
            if not any(isinstance(name, ast.Starred) for name in names):
                yield from self._array(_shaped(node.value), node, len(names), len(names))

    def _subscript(self, node: ast.Subscript) -> Iterator[Use]:
        places = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if any(isinstance(place, ast.Starred) for place in places):
            return
        if isinstance(node.slice, ast.Constant) and type(node.slice.value) is int:
            yield from self._array(_shaped(node.value), node, node.slice.value + 1)
        takes_up = [place for place in places if not (isinstance(place, ast.Constant) and place.value in (None, ...))]
        yield from self._array(node.value, node, len(takes_up))
        for place in takes_up:
            if isinstance(place, ast.Name) and place.id in self._asked:
                yield Use(place.id, node.lineno, ast.unparse(node))

    def _array(self, what: ast.AST | None, node: ast.AST, least: int, most: int | None = None) -> Iterator[Use]:
        if isinstance(what, ast.Name) and what.id in self._asked:
            yield Use(what.id, what.lineno, ast.unparse(node), least, most)


def _shaped(node: ast.AST) -> ast.AST | None:
    """Return what a node is the shape of; None where it is no shape."""
    return node.value if isinstance(node, ast.Attribute) and node.attr == "shape" else None
