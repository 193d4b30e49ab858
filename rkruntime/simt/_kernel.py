"""A kernel, and what it is compiled to for one list of argument types."""

from __future__ import annotations

import ast
import importlib
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from rkruntime.errors import KernelCompileError, RkError, UnsupportedKernel
from rkruntime.simt import _cache
from rkruntime.simt._arguments import check_fit, key_of, types_of
from rkruntime.simt._by_types import check_types
from rkruntime.simt._choice import Choice, choose, choose_rows, choose_width, has_barriers
from rkruntime.simt._explain import explain
from rkruntime.simt._faults import compile_error, fault_of, is_authors_mistake
from rkruntime.simt._features import Category
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._numba import types
from rkruntime.simt._options import Options
from rkruntime.simt._read import plain_function
from rkruntime.simt._recursion import recursive_functions
from rkruntime.simt._refused import LanesRefused
from rkruntime.simt._registered import registered_may_matter
from rkruntime.simt._registers import register_bytes
from rkruntime.simt._rewrite import Program, rewrite
from rkruntime.simt._rows import Rows
from rkruntime.simt._short_types import short_floats_in
from rkruntime.simt._sizes import check_shared
from rkruntime.simt._svml import library
from rkruntime.simt._trees import Trees, trees_of
from rkruntime.simt._variants import converts_inline, declared_for
from rkruntime.simt._written import written_parameters

__all__ = ("Kernel", "Special")

WARP = 32
VIEWED = (types.Record, types.NestedArray)  # an element of these refers to the array's memory


class Special:
    """A kernel compiled for one list of argument types; made by `Kernel.specialize`.

    Attributes:
        name: The kernel's name.
        signature: Types of the arguments, as numba writes them.
        lowering: `lanes`, `loop` or `fibers`.
        cooperative: Whether all threads of the grid wait for one another: all blocks then run together, on one worker.
        lanes: Threads of a vector; 1 where there are none.
        together: Threads along x that are best run by one worker: those of a vector, where it spans blocks.
        written: Places of the arguments, from 0, that the kernel may store to.
        compile_s: Seconds that compiling took; 0 where it came from the cache on disk.
        has_open_loop: Whether the kernel, or a device function of it, has a loop whose turns are no constant: how long
            it runs is then up to its data, whatever it took before.
        ns_per_block: What a block takes, as measured by whoever runs it; None before that.
        drive: The compiled driver, `drive(control, state, grid, block, shared_bytes, args)`: addresses of the two
            records of `_state`, two triples of int, bytes, and the tuple of arguments. It is the bare entry point and
            checks no types, so give it only arguments with the key that this was made for. It lets the GIL go,
            unless the control record says to keep it.
        takes_row_ends: Whether a vector of this may have fewer threads than others, at the end of its row.
        otherwise: What returns the specialisation for blocks whose rows are not whole vectors, where this takes none of
            them, or where lanes are warps, and go over the ends of rows.
    """

    def __init__(
        self,
        program: Program,
        choice: Choice,
        argument_types: Sequence[Any],
        trees: Trees,
        compiled: Any,
        compile_s: float,
    ) -> None:
        self._program = program
        self._choice = choice
        self._dimensions = {
            name: one.ndim
            for name, one in zip(program.kernel.source.parameters, argument_types, strict=True)
            if isinstance(one, types.Array) and not isinstance(one.dtype, VIEWED)
        }
        self._trees = trees
        self._compiled = compiled  # owns the machine code
        self.name = program.kernel.source.name
        self.signature = _signature(argument_types)
        self._types = tuple(argument_types)
        self._fitting: set[Hashable] = set()
        self.lowering = choice.lowering
        self.cooperative = Category.GRID in program.categories
        self.lanes = choice.lanes
        self.together = choice.lanes if trees.wide and not has_barriers(program) else 1
        self.compile_s = compile_s
        nodes = (node for unit in program.units.values() for node in nodes_of(unit.tree))
        self.has_open_loop = any(map(_is_open_loop, nodes))
        self.ns_per_block: float | None = None
        self.drive = compiled.entry_point
        self.takes_row_ends = choice.rows is not Rows.WHOLE
        self.otherwise: Callable[[], Special] | None = None

    def check(self, args: Sequence[Any]) -> None:
        """Hold arguments to the types that this was compiled for; costs about 0.2 us an argument.

        Raises:
            ArgumentMismatch: There are too few or too many, or one that does not fit.
        """
        parameters = self._program.kernel.source.parameters
        try:
            key = key_of(args)
        except (ValueError, TypeError):
            check_fit(self.name, parameters, self._types, args)
            raise
        if key not in self._fitting:
            check_fit(self.name, parameters, self._types, args)
            self._fitting.add(key)

    @cached_property
    def written(self) -> frozenset[int]:
        """Places of the arguments that the kernel may store to."""
        return written_parameters(self._program, self._dimensions)

    def fault(self, error: BaseException, state: npt.NDArray[np.int64]) -> BaseException:
        """Turn what `drive` raised into a KernelFault that says where, or a LaunchCancelled.

        Args:
            error: What it raised.
            state: The state record that it was given.
        """
        return fault_of(self._program, error, state)

    def explain(self) -> str:
        """Say how the kernel was lowered and why, with the rewritten source."""
        compiled = f"in {self.compile_s:.2f} s" if self.compile_s else "before, taken from the cache on disk"
        notes = self._trees.notes
        if self.lowering != "fibers" and self._trees.wide:
            notes = (*notes, "neighbouring blocks along x run as one loop: the kernel cannot tell them apart")
        return explain(self._program, self._choice, self.signature, self._trees.every, notes, compiled)


class Kernel:
    """A kernel that can be compiled for the CPU.

    Args:
        function: A plain function, or a dispatcher of `cuda.jit`.
        name: What errors call it; by default its own name.
        options: `debug`, `check_bounds`, `fastmath`, `fma` (default true: a * b + c may be rounded once, as numba-cuda
            does), `ends_threads`. Others, which concern GPUs, are ignored.
        lowering: `lanes`, `loop` or `fibers`, to have that and no other; None chooses.
        width: Threads of a vector where lanes are taken: 1 to 64; None chooses.

    Raises:
        UnsupportedKernel: It is no Python function.
    """

    def __init__(
        self,
        function: Any,
        name: str | None = None,
        options: Mapping[str, Any] | None = None,
        lowering: str | None = None,
        width: int | None = None,
    ) -> None:
        plain = plain_function(function)
        if plain is None:
            raise UnsupportedKernel(
                name or repr(function), f"a {type(function).__name__}", "?", 0, "give a function or a cuda.jit kernel"
            )
        given = {**(getattr(function, "targetoptions", None) or {}), **(options or {})}
        self.function = plain
        self.name = name or plain.__name__
        self.options = Options(
            debug=bool(given.get("debug")),
            check_bounds=bool(given.get("check_bounds")),
            fastmath=bool(given.get("fastmath")),
            fma=bool(given.get("fma", True)),
            ends_threads=bool(given.get("ends_threads")) and not given.get("debug"),
        )
        self._wanted = lowering
        self._width = width
        self._specials: dict[tuple[Hashable, ...], Special] = {}
        self._by_types: dict[tuple[Any, ...], Special] = {}  # keys tell more apart than types do
        self._compiling = threading.Lock()

    @cached_property
    def program(self) -> Program:
        """The kernel and its device functions, rewritten.

        Raises:
            UnsupportedKernel: It cannot be read, or uses what the CPU compiler cannot take.
        """
        return rewrite(self.function, self.name, self.options)

    @cached_property
    def choice(self) -> Choice:
        """The lowering that is tried first, and why."""
        if self._wanted is not None:
            return Choice(self._wanted, "it was asked for")
        return choose(self.program, checked=self.options.checks_subscripts, vector_math=library() is not None)

    def find(self, args: Sequence[Any]) -> Special | None:
        """Return the specialisation for these arguments if it was made before; costs under 1 us for a few arguments."""
        return self._specials.get(key_of(args))

    def specialize(self, args: Sequence[Any]) -> Special:
        """Compile for the types of these arguments, or find what was compiled before.

        Args:
            args: NumPy arrays, numbers, or whatever else numba takes; only their types matter.

        Raises:
            UnsupportedKernel: A construct that the CPU compiler cannot take.
            KernelCompileError: The kernel does not type for these arguments.
            ArgumentMismatch: There are too few or too many arguments, or one that no kernel takes.
        """
        try:
            key = key_of(args)
        except (ValueError, TypeError):
            types_of(self.name, self.program.kernel.source.parameters, args)
            raise
        special = self._specials.get(key)
        if special is None:
            with self._compiling:
                special = self._specials.get(key)
                if special is None:
                    special = self._specials[key] = self._for_types(args)
        return special

    def _for_types(self, args: Sequence[Any]) -> Special:
        argument_types = types_of(self.name, self.program.kernel.source.parameters, args)
        special = self._by_types.get(argument_types)
        if special is None:
            special = self._by_types[argument_types] = self._compile(argument_types)
        return special

    def _compile(self, argument_types: tuple[Any, ...]) -> Special:
        check_shared(self.program, argument_types)
        choice = self.choice
        if choice.lowering == "lanes":
            try:
                special = self._compile_as(choice, argument_types)
                if Category.WARP in self.program.categories or not special.takes_row_ends:
                    special.otherwise = self._ragged(argument_types)
                return special
            except (LanesRefused, KernelCompileError) as error:
                if self._wanted is not None or is_authors_mistake(error):
                    raise
                why = str(error) if isinstance(error, LanesRefused) else f"lanes failed at it: {error.detail}"
                choice = Choice("fibers" if has_barriers(self.program) else "loop", why)
        return self._compile_as(choice, argument_types)

    def _ragged(self, argument_types: tuple[Any, ...]) -> Callable[[], Special]:
        """Return what compiles for blocks whose rows are not whole vectors when it is first called."""
        once, made = threading.Lock(), list[Special]()

        def special() -> Special:
            with once:
                if not made:
                    made.append(self._compile_ragged(argument_types))
                return made[0]

        return special

    def _compile_ragged(self, argument_types: tuple[Any, ...]) -> Special:
        if Category.WARP not in self.program.categories:
            return self._compile_as(attrs.evolve(self.choice, rows=Rows.MASKED), argument_types)
        why = "rows of the block are not whole warps"
        try:
            choice = Choice(
                "lanes", f"{why}, so that a vector is 32 threads in the order of numbers", rows=Rows.NUMBERED
            )
            return self._compile_as(choice, argument_types)
        except LanesRefused as refused:
            return self._compile_as(Choice("fibers", f"{why}, and {refused}"), argument_types)

    def _compile_as(self, choice: Choice, argument_types: tuple[Any, ...]) -> Special:
        if choice.lowering == "lanes":
            _check_for_lanes(self.program)
        signature = _signature(argument_types)
        whole = has_barriers(self.program)
        if choice.lowering == "lanes" and self._wanted is None and not whole:
            check_types(self.program, argument_types)
        if whole and choice.lowering == "loop":
            raise ValueError(f"{self.name} waits at barriers, which a loop over its threads cannot do")
        guards = not whole and choice.lowering != "fibers" and not self.options.debug
        trees = trees_of(self.program, guards=guards, scalar=choice.lowering == "loop")
        for module in short_floats_in(signature, self.program):
            importlib.import_module(module)  # numba lacks the type; most kernels do not want it
        if choice.lowering == "lanes":
            joined = trees.wide and not whole
            width = choose_width(
                self.program, argument_types, self._width, joined=joined, register_bytes=register_bytes()
            )
            rows = choose_rows(self.program) if choice.rows is Rows.ANY else choice.rows
            choice = attrs.evolve(choice, width=width, rows=rows)
            if Category.WARP in self.program.categories and width.lanes != WARP:
                raise LanesRefused(f"the threads of a warp work together, which {width.lanes} are not")
        values = (
            value for unit in self.program.units.values() for value in (*unit.globals.values(), *unit.members.values())
        )
        carried = registered_may_matter(values, argument_types)
        key = None if carried else self._cache_key(_spelling(choice), signature, trees)
        if choice.lowering == "fibers":
            importlib.import_module("rkruntime.simt._switch")  # machine code from the cache needs its symbols too
        compiled = _cache.load(self.name, key) if key else None
        if compiled is not None:
            return Special(self.program, choice, argument_types, trees, compiled, 0.0)
        if key and choice.lowering == "lanes" and (why := _cache.refusal(self.name, key)) is not None:
            raise LanesRefused(why)
        started = time.perf_counter()
        try:
            from rkruntime.simt._compile import compile_drive

            compiled = compile_drive(self.program, trees, self.options, choice, argument_types)
        except LanesRefused as refused:
            if key:
                _cache.store_refusal(self.name, key, str(refused))
            raise
        except RkError:
            raise
        except Exception as error:  # the compiler's own errors are of every kind
            raise compile_error(self.program, signature, error) from error
        compile_s = time.perf_counter() - started
        if key:
            _cache.store(self.name, key, compiled)
        return Special(self.program, choice, argument_types, trees, compiled, compile_s)

    def _cache_key(self, lowering: str, signature: str, trees: Trees) -> str | None:
        """Return the name of the entry on disk, or None where the kernel depends on what cannot be told."""
        units = self.program.units.values()
        values = [item for unit in units for item in (*unit.globals.items(), *unit.members.items())]
        try:
            frozen = [f"{name} = {_cache.describe(value)}" for name, value in values]
            others = [(name, one.in_keys()) for unit in units for name, one in unit.stand_ins.items()]
        except _cache.Uncacheable:
            return None
        if any(told is None for _, told in others):
            return None
        frozen += [f"{name} = {told}" for name, told in others]
        frozen += [f"signatures {declared_for(function)}" for function in self.program.units]
        files = [unit.source.file for unit in units]
        texts = [ast.dump(tree, include_attributes=True) for tree in trees.every]
        return _cache.digest([lowering, signature, repr(self.options), *files, *frozen, *texts])


def _spelling(choice: Choice) -> str:
    """Return what tells machine code apart that is lowered differently."""
    return f"{choice.lowering} {choice.lanes} {choice.rows.name}"


def _check_for_lanes(program: Program) -> None:
    """Refuse for lanes what is called by way of a function that is made once types are known."""
    recursive = recursive_functions(program.units)
    for function, unit in program.units.items():
        where = f"{unit.source.file}:{unit.source.tree.lineno}"
        for one in unit.stand_ins.values():
            if not one.cacheable:
                raise LanesRefused(f"{one.spelling}: {one.why}: {where}")
        if _passes_tuples(unit.tree):
            raise LanesRefused(f"a device function takes *args, and numba cannot make it part of the kernel: {where}")
        if (declared := declared_for(function)) and (function in recursive or not converts_inline(declared)):
            why = "it calls itself" if function in recursive else "to which of several, or to what, is found by types"
            raise LanesRefused(f"a device function converts to a declared signature, and {why}: {where}")


def _passes_tuples(tree: ast.FunctionDef) -> bool:
    """Whether a function takes `*args`, or passes them."""
    return tree.args.vararg is not None or any(isinstance(node, ast.Starred) for node in nodes_of(tree))


def _signature(argument_types: Sequence[Any]) -> str:
    return ", ".join(map(str, argument_types))


def _is_open_loop(node: ast.AST) -> bool:
    """Whether this is a loop, other than one over a `range` of constants."""
    if not isinstance(node, ast.For):
        return isinstance(node, ast.While)
    turns = node.iter
    if not isinstance(turns, ast.Call) or not isinstance(turns.func, ast.Name) or turns.func.id != "range":
        return True
    return not all(isinstance(arg, ast.Constant) for arg in turns.args)
