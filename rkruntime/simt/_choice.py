"""Which lowering a kernel gets, how many threads are one vector, and why. Pure."""

from __future__ import annotations

import ast
import cmath
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import numpy as np

from rkruntime.simt._assigned import comes_from, reads_elements
from rkruntime.simt._features import FIBERS, Category
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._numba import types
from rkruntime.simt._recursion import recursive_functions
from rkruntime.simt._rewrite import PREFIX, Program, Unit
from rkruntime.simt._rows import Rows
from rkruntime.simt._svml import FUNCTIONS

__all__ = ("WIDEST", "Choice", "Width", "choose", "choose_rows", "choose_width", "counts_by_turns", "has_barriers")

NORMAL, WIDE, WIDEST = 16, 32, 64
LONG_NODES = 700  # of syntax trees; the longest kernel of the table has 370, one of a hundred lines 1,200
SMALL_LOCAL_BYTES = 256
MANY_NAMES = 8  # in a loop; 16 registers hold as many numbers of which each takes two

WHY_FIBERS = {
    Category.BARRIER: "threads wait for one another",
    Category.SHARED: "threads share memory",
    Category.WARP: "the threads of a warp work together",
    Category.GRID: "all threads of the grid wait for one another",
}


@attrs.frozen
class Width:
    """How many threads are one vector, and why."""

    lanes: int
    why: str


@attrs.frozen
class Choice:
    """How a kernel is lowered.

    Args:
        lowering: `lanes`, `loop` or `fibers`.
        why: The reason, after "since".
        width: Threads of a vector, of lanes.
        rows: Which blocks it is for, of lanes.
    """

    lowering: str
    why: str
    width: Width | None = None
    rows: Rows = Rows.ANY

    @property
    def lanes(self) -> int:
        """Threads of a vector; 1 where there are none."""
        return self.width.lanes if self.width is not None else 1

    def __str__(self) -> str:
        return f"{self.lowering}, since {self.why}"


def has_barriers(program: Program) -> bool:
    """Whether threads of a block wait for one another or share memory."""
    return not FIBERS.isdisjoint(program.categories)


def _uncuttable(program: Program) -> str | None:
    """Return what a kernel's threads do together by the grid or in recursion, and not by blocks or warps; or None."""
    recursive = recursive_functions(program.units)
    for function, unit in program.units.items():
        for feature, line in unit.features.items():
            where = f"{feature.spelling} at {unit.source.file}:{line}"
            if feature.category is Category.GRID:
                return f"{WHY_FIBERS[feature.category]}: {where}"
            if feature.category in FIBERS and function in recursive:
                return f"{WHY_FIBERS[feature.category]} in {function.__name__}, which calls itself: {where}"
    return None


def choose(program: Program, *, checked: bool, vector_math: bool = False) -> Choice:
    """Choose by what a kernel uses.

    Args:
        program: The kernel and its device functions.
        checked: Whether subscripts are checked, which lanes do not do.
        vector_math: Whether lanes have functions of real numbers for vectors, which one thread after the other has not:
            Black and Scholes' formula takes a quarter of the time with them.
    """
    waits = [(feature, place) for feature, place in program.features.items() if feature.category in FIBERS]
    if waits:
        feature, (file, line) = waits[0]
        where = f"{feature.spelling} at {file}:{line}"
        why = _uncuttable(program)
        if why is None and checked:
            why = f"subscripts are checked one thread at a time, and {WHY_FIBERS[feature.category]}: {where}"
        if why is None:
            return Choice("lanes", f"it can be cut where threads wait for one another: {where}")
        return Choice("fibers", why)
    if checked:
        return Choice("loop", "subscripts are checked one thread at a time")
    for unit in program.units.values():
        for loop in _reading_by_data(unit.tree):
            where = f"{unit.source.file}:{loop.lineno}"
            return Choice("loop", f"each thread's loop runs as its data say, and what it reads lies apart: {where}")
    for unit in program.units.values():
        for call in _of_complex(unit):
            where = f"{ast.unparse(call.func)} at {unit.source.file}:{call.lineno}"
            return Choice("loop", f"functions of complex numbers run one thread at a time: {where}")
    for unit in program.units.values():
        for node in nodes_of(unit.tree):
            if isinstance(node, ast.For | ast.While):
                where = f"{unit.source.file}:{node.lineno}"
                return Choice("lanes", f"threads loop, side by side: {where}")
    for unit in program.units.values():
        for call in _of_real_numbers(unit) if vector_math else ():
            where = f"{ast.unparse(call.func)} at {unit.source.file}:{call.lineno}"
            return Choice("lanes", f"a library has it for vectors: {where}")
    return Choice("loop", "threads run straight through, and LLVM makes vectors of them")


def choose_width(
    program: Program,
    argument_types: Sequence[Any],
    wanted: int | None = None,
    *,
    joined: bool = False,
    register_bytes: int = WIDEST,
) -> Width:
    """Choose how many neighbouring threads are one vector.

    Measured (`bench/bench_simt.py`): where blocks that are neighbours along x run as one row, 64 threads share the cost
    of what is the same for all, and four registers of numbers of four bytes hide each other's latency; but where each
    thread's loop ends when its own data say so, more lanes wait for the slowest, and a kernel of a hundred lines has
    more numbers at hand than there are registers (`march` of `bench_compile`: 64 took 9 % longer than 16). Elements of
    one byte use a whole cache line only with 64 lanes. A block of one dimension has at least a warp, as a rule. Others
    may be narrow, and 16 numbers of four bytes are a register.

    Args:
        program: The kernel and its device functions.
        argument_types: Numba's types of its arguments.
        wanted: The width to have, if it was asked for.
        joined: Whether blocks that are neighbours along x run as one row.
        register_bytes: Of a register for vectors.

    Raises:
        ValueError: A width that is none.
    """
    if wanted is not None:
        if not 1 <= wanted <= WIDEST or wanted & (wanted - 1):
            raise ValueError(f"width={wanted}: give a power of 2 up to {WIDEST}")
        return Width(wanted, "it was asked for")
    if Category.WARP in program.categories:
        return Width(WIDE, "a vector is a warp, whose threads work together")
    width = _on_wide_registers(program, argument_types, joined=joined)
    if register_bytes >= WIDEST or width.lanes == NORMAL:
        return width
    return _on_narrow_registers(program, width, register_bytes, joined=joined)


def choose_rows(program: Program) -> Rows:
    """Choose whether vectors at the ends of rows have code of their own, in a kernel on lanes.

    It is all of the kernel's code once more, which is a quarter of the time that compiling a long kernel takes.
    Measured on registers of 32 bytes: with masks for all vectors, `march` of `bench_compile` takes 0.94 to 1.03 of the
    time, since its loops have masks anyway; but `diffuse`, whose threads go through shared memory side by side, 1.2 to
    1.5 times.

    Args:
        program: The kernel and its device functions.
    """
    if _nodes(program) <= LONG_NODES or Category.WARP in program.categories:
        return Rows.ANY
    return Rows.WHOLE if has_barriers(program) else Rows.MASKED


def _on_narrow_registers(program: Program, width: Width, register_bytes: int, *, joined: bool) -> Width:
    """Choose for processors without mask registers of their own: a mask is a byte for each thread, in one register.

    Measured on one with registers of 32 bytes (`bench/bench_lowerings.py`): masks for 64 threads come apart, and
    kernels whose threads part take 5 to 14 times as long as with 32. There are 16 registers, of which a number takes
    four with 32: n-body, whose loop has 11, takes 0.87 of the time with 16 (Zen 1), a scan, with few, 1.5. Of numbers
    of eight bytes, 32 in a `while` loop that each thread ends take three times what 16 take. A histogram of bytes takes
    0.75 of the time with 32 (with AVX2's instructions alone, on a processor that has more).
    """
    has_while = any(isinstance(node, ast.While) for unit in program.units.values() for node in nodes_of(unit.tree))
    if joined and has_while:
        return Width(NORMAL, "each turn of a while loop makes a mask, and those of 16 threads take a register or less")
    names = max((_names_at_hand(loop) for unit in program.units.values() for loop in _innermost(unit.tree)), default=0)
    if names > MANY_NAMES:
        return Width(NORMAL, f"a loop has {names} numbers at hand, and more lanes of those do not fit the registers")
    if width.lanes <= register_bytes:
        return width
    return Width(register_bytes, f"masks of {register_bytes} threads, a byte each, fill a register of this processor")


def _on_wide_registers(program: Program, argument_types: Sequence[Any], *, joined: bool) -> Width:
    """Choose for processors with registers of 64 bytes."""
    sizes = [_bits(one.dtype) for one in argument_types if isinstance(one, types.Array)]
    if not joined and not _is_flat(program):
        return Width(NORMAL, "16 numbers of four bytes are a register, and blocks may be narrow")
    if sizes and min(sizes) == 8:
        return Width(WIDEST, "64 elements of one byte are a cache line")
    if not joined:
        lanes = NORMAL if sizes and max(sizes) > 32 else WIDE
        return Width(lanes, "blocks have one dimension, and two registers hide each other's latency")
    if sum(unit.local_bytes for unit in program.units.values()) > SMALL_LOCAL_BYTES:
        return Width(NORMAL, "each thread has large arrays of its own, and those of 16 stay in the cache")
    if _loops_by_data(program):
        return Width(NORMAL, "each thread's loop ends where its data say, and more lanes wait for the slowest")
    if _nodes(program) > LONG_NODES:
        return Width(NORMAL, "the kernel is long, and 16 of each of its numbers fill the registers")
    if sizes and max(sizes) > 64:
        return Width(NORMAL, "blocks run as one row, and 16 elements of two times eight bytes are four registers")
    if sizes and max(sizes) > 32:
        return Width(WIDE, "blocks run as one row, and 32 numbers of eight bytes are four registers")
    return Width(WIDEST, "blocks run as one row, and 64 numbers of four bytes are four registers")


def counts_by_turns(program: Program, argument_types: Sequence[Any], register_bytes: int) -> str | None:
    """Return where a `while` loop of whole numbers alone is, if one thread after the other runs it best, or None.

    Measured where registers have 32 bytes, whose processors lack much for vectors of whole numbers of eight bytes:
    `collatz` takes 2.1 times as long on lanes, and `chains` 1.2 times; loops with real numbers take 0.2 to 0.5 times.
    """
    items = [one.dtype if isinstance(one, types.Array) else one for one in argument_types]
    if register_bytes >= WIDEST or not all(isinstance(one, types.Integer | types.Boolean) for one in items):
        return None
    nodes = [(unit, node) for unit in program.units.values() for node in nodes_of(unit.tree)]
    if any(isinstance(node, ast.Constant) and isinstance(node.value, float | complex) for _, node in nodes):
        return None
    return next((f"{unit.source.file}:{node.lineno}" for unit, node in nodes if isinstance(node, ast.While)), None)


def _innermost(tree: ast.FunctionDef) -> Iterator[ast.For | ast.While]:
    """Yield the loops without loops in them."""
    for node in nodes_of(tree):
        if isinstance(node, ast.For | ast.While):
            inside = (part for statement in node.body for part in nodes_of(statement))
            if not any(isinstance(part, ast.For | ast.While) for part in inside):
                yield node


def _names_at_hand(loop: ast.For | ast.While) -> int:
    """Return how many local numbers a loop's body reads or assigns, other than its counter and what it subscripts."""
    parts = [part for statement in loop.body for part in nodes_of(statement)]
    names = {part.id for part in parts if isinstance(part, ast.Name) and not part.id.startswith(PREFIX)}
    apart = {part.value.id for part in parts if isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name)}
    functions = {part.func.id for part in parts if isinstance(part, ast.Call) and isinstance(part.func, ast.Name)}
    owners = {part.value.id for part in parts if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name)}
    target = nodes_of(loop.target) if isinstance(loop, ast.For) else ()
    turn = {part.id for part in target if isinstance(part, ast.Name)}
    return len(names - apart - functions - owners - turn)


def _nodes(program: Program) -> int:
    return sum(1 for unit in program.units.values() for _ in nodes_of(unit.tree))


def _is_flat(program: Program) -> bool:
    """Whether a kernel looks at places along x alone, so that its blocks are as wide as they are large."""
    for unit in program.units.values():
        for node in nodes_of(unit.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id.startswith("_rk_"):
                name, axes = node.func.id, node.args[1:2]
                other = isinstance(axes[0], ast.Constant) and axes[0].value != 0 if axes else False
                if name[-2:] in ("_2", "_3") or (name in ("_rk_thread_idx", "_rk_block_dim") and other):
                    return False
    return True


def _bits(dtype: Any) -> int:
    """Return the bits of an array's element; the largest number's where it is none."""
    return int(getattr(dtype, "bitwidth", 64))


def _reading_by_data(tree: ast.FunctionDef) -> Iterator[ast.For]:
    """Return the `for` loops whose bounds are read from memory and whose turns tell what they read themselves.

    Rows of a sparse matrix are the example, and neighbours in a graph. Measured (`bench/bench_lowerings.py`): lanes
    gather what such loops read and wait for the longest, and take two to three times what one thread after the other
    does, though there be a square root and a division for each element.
    """
    read = _names_read(tree)
    for node in nodes_of(tree):
        if isinstance(node, ast.For) and comes_from(node.iter, read):
            turn = {part.id for part in nodes_of(node.target) if isinstance(part, ast.Name)}
            inside = (part for statement in node.body for part in nodes_of(statement))
            places = (part.slice for part in inside if isinstance(part, ast.Subscript))
            if any(isinstance(part, ast.Name) and part.id in turn for place in places for part in nodes_of(place)):
                yield node


def _of_complex(unit: Unit) -> Iterator[ast.Call]:
    """Yield the calls of functions of complex numbers that have no form for vectors.

    Measured: lanes that call one by one take 1.2 to 3 times what one thread after the other does.
    """
    without_vectors = (np.conj, *vars(cmath).values())
    for node in nodes_of(unit.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
            continue
        function = unit.names.evaluate(node.func)
        is_method = isinstance(node.func, ast.Attribute) and node.func.attr == "conjugate"
        if is_method or (function is not cmath.exp and any(function is one for one in without_vectors)):
            yield node


def _of_real_numbers(unit: Unit) -> Iterator[ast.Call]:
    """Yield the calls of functions that a library of vector math has."""
    for node in nodes_of(unit.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            function = unit.names.evaluate(node.func)
            if any(function is one for one in FUNCTIONS):
                yield node


def _loops_by_data(program: Program) -> bool:
    """Whether the turns of a `for` loop are read from memory, at once or by a name that was."""
    for unit in program.units.values():
        read = _names_read(unit.tree)
        if any(isinstance(node, ast.For) and comes_from(node.iter, read) for node in nodes_of(unit.tree)):
            return True
    return False


def _names_read(tree: ast.FunctionDef) -> set[str]:
    """Return the names that are assigned what was read from memory."""
    return {
        target.id
        for node in nodes_of(tree)
        if isinstance(node, ast.Assign) and reads_elements(node.value)
        for target in nodes_of(node.targets[0])
        if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)
    }
