"""Which kernels over arrays of records run as lanes: those whose loops read the same records in all threads. Pure.

Measured, against one thread after the other: where all threads read the same record, lanes take from 0.1 times as long
(n-body). Where each reads its own or neighbouring ones, whose fields lie apart, lanes gather them: 1.2 to 2 times as
long. Where a loop stores fields, one thread keeps them in registers, and lanes scatter them in each turn: 1.2 times
(random numbers, whose state is a record, where it is not held as `_generators` does) to 4 times.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FunctionType

from rkruntime.simt._assigned import assignment, followed, stored_names
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._program import PREFIX, Program, Unit
from rkruntime.simt._uniform import EXTENTS, SAME_IN_BLOCK

__all__ = ("loops_read_same_records",)

SAME = SAME_IN_BLOCK | {PREFIX + "interrupt"}


def loops_read_same_records(program: Program, records: frozenset[str]) -> bool:
    """Whether loops of a kernel store no fields, and read records that are the same for all threads, or none.

    Args:
        program: The kernel and its device functions.
        records: Parameters of the kernel that are arrays of records.
    """
    kernel = program.kernel
    repeated = [
        (unit, part)
        for unit, node in _repeated(program)
        for part in (_run_again(node) if unit is kernel else nodes_of(node))
    ]
    if any(_stores_field(part) for _, part in repeated):
        return False
    differing, read = followed(kernel.tree, _assigned), False
    for loop in _loops(kernel.tree):
        inside = [part for statement in loop.body for part in _run_again(statement)]
        same = {
            id(part.value)
            for part in inside
            if isinstance(part, ast.Subscript) and not _mentions(part.slice, differing)
        }
        extents = {id(part.value) for part in inside if isinstance(part, ast.Attribute) and part.attr in EXTENTS}
        of_records = {id(part) for part in inside if isinstance(part, ast.Name) and part.id in records}
        if not of_records <= same | extents:
            return False
        read = read or bool(of_records & same)
    return read or not any(_reads_field(unit, part) for unit, part in repeated)


def _loops(tree: ast.AST) -> Iterator[ast.For | ast.While]:
    return (node for node in nodes_of(tree) if isinstance(node, ast.For | ast.While))


def _repeated(program: Program) -> Iterator[tuple[Unit, ast.AST]]:
    """Yield the statements of loops, and the device functions that those call, by others too, with where they are."""
    todo: list[tuple[Unit, ast.AST]] = [
        (unit, statement) for unit in program.units.values() for loop in _loops(unit.tree) for statement in loop.body
    ]
    seen = set[FunctionType]()
    while todo:
        unit, node = todo.pop()
        yield unit, node
        names = {part.id for part in nodes_of(node) if isinstance(part, ast.Name)}
        called = {function for name, function in unit.devices.items() if name in names} - seen
        seen |= called
        todo += [(program.units[function], program.units[function].tree) for function in called]


def _run_again(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a statement in a kernel's loop, without branches that end with the thread's return."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("body", "orelse") and isinstance(value, list) and value and isinstance(value[-1], ast.Return):
            continue
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, ast.AST):
                yield from _run_again(part)


def _stores_field(node: ast.AST) -> bool:
    """Whether a node stores to what may be a field of a record."""
    return _is_field(node) and isinstance(getattr(node, "ctx", None), ast.Store)


def _reads_field(unit: Unit, node: ast.AST) -> bool:
    """Whether a node reads what may be a field of a record; its parts are nodes of their own."""
    if isinstance(node, ast.Attribute):
        return node.attr not in EXTENTS and ast.unparse(node) not in unit.members
    return isinstance(node, ast.Subscript) and _is_field(node) and not isinstance(node.value, ast.Attribute)


def _is_field(node: ast.AST) -> bool:
    if isinstance(node, ast.Subscript):
        return _is_field(node.value) or (isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str))
    return isinstance(node, ast.Attribute)


def _assigned(node: ast.AST, differing: frozenset[str]) -> Iterator[str]:
    """Yield the names that a node gives values that may differ among threads, by what they are computed from."""
    assigned = assignment(node)
    if assigned is None:
        return
    targets, value = assigned
    if _mentions(value, differing) or any(isinstance(part, ast.Subscript) for part in nodes_of(value)):
        yield from (name for one in targets for name in stored_names(one))


def _mentions(node: ast.AST, differing: frozenset[str]) -> bool:
    """Whether an expression has a name whose value differs among threads, or calls what may tell where a thread is."""
    names = (part.id for part in nodes_of(node) if isinstance(part, ast.Name))
    return any(name in differing or (name.startswith(PREFIX) and name not in SAME) for name in names)
