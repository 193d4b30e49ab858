"""From rewritten syntax trees to functions that numba compiles, with the author's file and lines."""

from __future__ import annotations

import ast
import builtins
import copy
import os
import sys
from types import FunctionType
from typing import Any

import attrs
import numba
from numba.core.callconv import NumpyErrorModel, error_models

from rkruntime.simt import _atomics, _checks, _intrinsics, _stubs
from rkruntime.simt._guards import hoist_guards
from rkruntime.simt._interrupt import add_interrupts, waiting_functions
from rkruntime.simt._numba import njit
from rkruntime.simt._parts import PART
from rkruntime.simt._recursion import add_descent, recursive_functions
from rkruntime.simt._rewrite import PREFIX, Program, Unit
from rkruntime.simt._signed import signed
from rkruntime.simt._variants import declared_for
from rkruntime.simt.lanes import block_array

__all__ = ("ERROR_MODEL", "Emitted", "Options", "emit")

ERROR_MODEL = "rkruntime"
MODULE = "rkruntime.simt._emit"  # what compiled functions name as theirs: it can be imported wherever they are cached
NUMBA = os.path.dirname(numba.__file__)
WITHIN_BLOCK = ("thread_idx", "thread_idx_3", "block_idx", "block_idx_3", "laneid", "lanemask_lt")
SMALL_NODES = 600  # device functions with fewer nodes are inlined: calls keep loops from vectorising


class IntegerErrorModel(NumpyErrorModel):
    """NumPy's rules for real numbers, Python's for integers: dividing one by zero raises.

    Numba raises such errors without a place. The place is known to the lowering that asks for it, some frames up, and
    is taken from there, so that a fault can name the author's line.
    """

    def fp_zero_division(self, builder: Any, exc_args: Any = None, loc: Any = None) -> bool:
        """Raise for integers; say whether it did."""
        if not exc_args or not str(exc_args[0]).startswith("integer"):
            return False
        place, function = _place_being_lowered()
        self.call_conv.return_user_exc(builder, ZeroDivisionError, exc_args, loc or place, function)
        return True


error_models[ERROR_MODEL] = IntegerErrorModel


def _place_being_lowered() -> tuple[Any, str]:
    """Return where in the author's code numba's lowering is, or None, and in which function."""
    import numba.core.lowering

    lowering: Any = numba.core.lowering.BaseLower
    frame: Any = sys._getframe(1)
    while frame is not None:
        lower: Any = frame.f_locals.get("self")
        if isinstance(lower, lowering) and not lower.loc.filename.startswith(NUMBA):
            return lower.loc, str(lower.func_ir.func_id.func_name)
        frame = frame.f_back
    return None, ""


@attrs.frozen
class Options:
    """How to compile.

    Args:
        debug: Check subscripts, and divisions of real numbers too.
        fastmath: Let LLVM treat real numbers as if they obeyed algebra.
        fma: Let LLVM contract a * b + c to one rounding, as numba-cuda does by default.
    """

    debug: bool = False
    fastmath: bool = False
    fma: bool = True

    @property
    def numba(self) -> dict[str, Any]:
        """The same as numba's options."""
        return {
            **PART,
            "error_model": "python" if self.debug and not self.fastmath else ERROR_MODEL,
            "boundscheck": self.debug,
            "fastmath": True if self.fastmath else {"contract"} if self.fma else False,
        }


@attrs.frozen(eq=False)
class Emitted:
    """A program as functions for numba.

    Args:
        body: The dispatcher of `body(ctx, *args)`.
        limits: The dispatcher of `limits(ctx, *args)`, which loops take.
        trees: Every function as compiled, the body first.
        notes: What was done with its guards.
        wide: Whether it knows its places in the grid alone, so that it cannot tell blocks apart.
    """

    body: Any
    limits: Any
    trees: tuple[ast.FunctionDef, ...]
    notes: tuple[str, ...]
    wide: bool


def emit(program: Program, options: Options, *, loops: bool, blocks: bool = False, lanes: bool = False) -> Emitted:
    """Make the functions of a program.

    Args:
        program: The kernel and its device functions.
        options: How to compile them.
        loops: Whether they are for the loop lowering, which takes guards.
        blocks: Whether one call runs a whole block, whose shared arrays are on its stack.
        lanes: Whether they are for lanes, where device functions become part of the kernel.
    """
    kernel = program.kernel
    guarded = hoist_guards(kernel, copy.deepcopy(kernel.tree), take=loops and not options.debug)
    trees = {function: copy.deepcopy(unit.tree) for function, unit in program.units.items()}
    trees[kernel.source.function] = guarded.tree
    recursive, waiting = recursive_functions(program.units), waiting_functions(program)
    for function, unit in program.units.items():
        trees[function] = add_interrupts(unit, trees[function], waiting)
        if function in recursive:
            trees[function] = add_descent(trees[function])
    dispatchers: dict[FunctionType, Any] = {}
    namespaces = []
    for function, unit in program.units.items():
        namespace = _namespace(unit)
        if blocks:
            namespace[PREFIX + "shared_array"] = block_array
        inline = unit is kernel or (function not in recursive and _is_small(trees[function]))
        becomes_part = lanes and unit is not kernel and function not in recursive
        how: dict[str, Any] = {"inline": "always"} if becomes_part else {"forceinline": inline}
        if function in recursive:  # numba finds the function to call itself by its machine code's address
            how["pipeline_class"] = None
        dispatchers[function] = njit(**{**options.numba, **how})(_define(trees[function], unit, namespace))
        namespaces.append((unit, namespace))
    for unit, namespace in namespaces:
        namespace |= {name: _declared(dispatchers[device], device) for name, device in unit.devices.items()}
    limits = njit(**options.numba, forceinline=True)(_define(guarded.limits, kernel, _namespace(kernel)))
    body = dispatchers[kernel.source.function]
    every = (*trees.values(), *((guarded.limits,) if guarded.notes else ()))
    wide = not guarded.within_block and not any(map(_tells_blocks_apart, every))
    return Emitted(body, limits, every, guarded.notes, wide)


def _declared(dispatcher: Any, function: FunctionType) -> Any:
    """Return what callers of a device function call: with its signatures, if it was declared with some."""
    signatures = declared_for(function)
    return signed(dispatcher, function.__name__, signatures) if signatures else dispatcher


def _tells_blocks_apart(tree: ast.FunctionDef) -> bool:
    """Whether a function looks at the thread's index in its block, or at the block's."""
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    told = not names.isdisjoint(PREFIX + name for name in WITHIN_BLOCK)
    return told or any(name.startswith(PREFIX + "in_place_of_extended") for name in names)  # an overload may look


MEANINGS = (_atomics, _checks, _intrinsics)  # imported for the meaning that they give to our functions


def _namespace(unit: Unit) -> dict[str, Any]:
    """Return what the global names of a function stand for, ours among them."""
    ours = {PREFIX + name: value for name, value in vars(_stubs).items() if isinstance(value, FunctionType)}
    ours[PREFIX + "local_array"] = _intrinsics.local_array
    ours |= {name: one.value for name, one in unit.stand_ins.items()}
    return {"__name__": MODULE, "__builtins__": builtins, **ours, **unit.globals}


def _define(tree: ast.FunctionDef, unit: Unit, namespace: dict[str, Any]) -> FunctionType:
    """Compile a definition to a function, under the author's file name."""
    made: dict[str, Any] = {}
    code = compile(ast.Module([tree], []), unit.source.file, "exec")
    exec(code, namespace, made)
    function = made[tree.name]
    assert isinstance(function, FunctionType)
    return function


def _is_small(tree: ast.FunctionDef) -> bool:
    """Whether a device function is small enough to inline."""
    return sum(1 for _ in ast.walk(tree)) < SMALL_NODES
