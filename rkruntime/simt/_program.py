"""Rewritten functions, and the names that rewriting gives: what passes hand to one another."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any

import attrs

from rkruntime.simt._features import Category, Feature
from rkruntime.simt._names import Names
from rkruntime.simt._read import Source
from rkruntime.simt._stand_ins import StandIn

__all__ = ("CONTEXT", "PREFIX", "Later", "Program", "Unit", "called")

CONTEXT = "_rk_ctx"
PREFIX = "_rk_"


@attrs.frozen
class Later:
    """A static shared array whose size is known once types are.

    Args:
        count: How many elements it has.
        dtype: The expression of their type, as its author wrote it.
        line: Where the array is made.
    """

    count: int
    dtype: ast.expr
    line: int


@attrs.define(eq=False)
class Unit:
    """One rewritten function.

    Args:
        source: Where it comes from.
        tree: The rewritten definition; its first parameter is the context.
        names: What its names stand for.
        globals: What its global names stand for: the author's, with closures among them. Ours are not in it.
        devices: Names that stand for device functions.
        members: Attributes of modules and classes that it reads, by their spelling, with their values.
        stand_ins: Names of ours for functions and types that another one of ours replaces.
        features: What it uses itself, each with the line of its first use.
        local_bytes: Size of its local arrays.
        shared_bytes: Size of its static shared arrays whose dtype is known when the kernel is read.
        shared_later: Its other static shared arrays.
    """

    source: Source
    tree: ast.FunctionDef
    names: Names
    globals: dict[str, Any] = attrs.field(factory=dict)
    devices: dict[str, FunctionType] = attrs.field(factory=dict)
    members: dict[str, Any] = attrs.field(factory=dict)
    stand_ins: dict[str, StandIn] = attrs.field(factory=dict)
    features: dict[Feature, int] = attrs.field(factory=dict)
    local_bytes: int = 0
    shared_bytes: int = 0
    shared_later: list[Later] = attrs.field(factory=list)


@attrs.frozen(eq=False)
class Program:
    """A kernel and the device functions that it reaches, rewritten; the kernel comes first."""

    units: dict[FunctionType, Unit]

    @property
    def kernel(self) -> Unit:
        """The kernel itself."""
        return next(iter(self.units.values()))

    @property
    def files(self) -> frozenset[str]:
        """The files that the functions are in."""
        return frozenset(unit.source.file for unit in self.units.values())

    @property
    def features(self) -> dict[Feature, tuple[str, int]]:
        """Every feature in use, with the file and line of its first use."""
        found: dict[Feature, tuple[str, int]] = {}
        for unit in self.units.values():
            for feature, line in unit.features.items():
                found.setdefault(feature, (unit.source.file, line))
        return found

    @property
    def categories(self) -> frozenset[Category]:
        """Categories of the features in use."""
        return frozenset(feature.category for feature in self.features)


def called(name: str, *args: ast.expr, at: ast.AST) -> ast.Call:
    """Make a call of one of our functions; `at` is the node whose place in the file it takes."""
    call = ast.Call(ast.Name(PREFIX + name, ast.Load()), list(args), [])
    return ast.fix_missing_locations(ast.copy_location(call, at))
