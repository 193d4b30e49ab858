"""From rewritten syntax trees to functions that numba compiles, with the author's file and lines."""

from __future__ import annotations

import ast
import builtins
import os
import sys
from types import FunctionType
from typing import Any

import attrs
import numba
from numba.core.callconv import NumpyErrorModel, error_models

from rkruntime.simt import _atomics, _checks, _descent, _durations, _intrinsics, _shifts, _stubs
from rkruntime.simt._nodes import nodes_of
from rkruntime.simt._numba import njit
from rkruntime.simt._options import Options
from rkruntime.simt._parts import PART
from rkruntime.simt._read import refuse
from rkruntime.simt._rewrite import PREFIX, Program, Unit
from rkruntime.simt._signed import inlined, signed
from rkruntime.simt._trees import Trees
from rkruntime.simt._variants import converts_inline, declared_for
from rkruntime.simt.lanes import block_array

__all__ = ("ERROR_MODEL", "Emitted", "emit", "numba_options")

ERROR_MODEL = "rkruntime"
MODULE = "rkruntime.simt._emit"  # what compiled functions name as theirs: it can be imported wherever they are cached
NUMBA = os.path.dirname(numba.__file__)
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


def numba_options(options: Options) -> dict[str, Any]:
    """Return the same as numba's options."""
    return {
        **PART,
        "error_model": "python" if options.debug and not options.fastmath else ERROR_MODEL,
        "boundscheck": options.checks_subscripts,
        "fastmath": True if options.fastmath else {"contract"} if options.fma else False,
    }


@attrs.frozen(eq=False)
class Emitted:
    """A program as functions for numba.

    Args:
        body: The dispatcher of `body(ctx, *args)`.
        limits: The dispatcher of `limits(ctx, *args)`, which loops take.
    """

    body: Any
    limits: Any


def emit(program: Program, trees: Trees, options: Options, *, blocks: bool = False, lanes: bool = False) -> Emitted:
    """Make the functions of a program.

    Args:
        program: The kernel and its device functions.
        trees: Their definitions.
        options: How to compile them.
        blocks: Whether one call runs a whole block, whose shared arrays are on its stack.
        lanes: Whether they are for lanes, where device functions become part of the kernel.
    """
    kernel, settings = program.kernel, numba_options(options)
    dispatchers: dict[FunctionType, Any] = {}
    namespaces = []
    for function, unit in program.units.items():
        tree, recurs = trees.functions[function], function in trees.recursive
        namespace = _namespace(unit)
        if blocks:
            namespace[PREFIX + "shared_array"] = block_array
        inline = unit is kernel or (not recurs and _is_small(tree))
        becomes_part = lanes and unit is not kernel and not recurs
        how: dict[str, Any] = {"inline": "always"} if becomes_part else {"forceinline": inline}
        if recurs:  # numba finds the function to call itself by its machine code's address
            how["pipeline_class"] = None
        dispatchers[function] = njit(**{**settings, **how})(_define(tree, unit, namespace))
        namespaces.append((unit, namespace))
    for unit, namespace in namespaces:
        for name, device in unit.devices.items():
            tree, source, recurs = trees.functions[device], program.units[device].source, device in trees.recursive
            if recurs and declared_for(device) and not converts_inline(declared_for(device)):
                what = f"{source.function.__name__}, which calls itself and declares several signatures, or odd types"
                raise refuse(source, source.tree, what, "declare one signature, of numbers and arrays, or none")
            part = lanes or recurs  # numba knows a function that calls itself by its own name alone
            namespace[name] = _declared(dispatchers[device], device, tree, source.file, settings if part else None)
    limits = njit(**settings, forceinline=True)(_define(trees.limits, kernel, _namespace(kernel)))
    return Emitted(dispatchers[kernel.source.function], limits)


def _declared(dispatcher: Any, function: FunctionType, tree: ast.FunctionDef, file: str, settings: Any) -> Any:
    """Return what callers of a device function call: with its signatures, if it was declared with some.

    Args:
        dispatcher: What numba makes of it.
        function: The device function.
        tree: Its definition.
        file: Where that is.
        settings: Numba's options, where it becomes part of the kernel, or calls itself.
    """
    signatures = declared_for(function)
    if not signatures:
        return dispatcher
    if settings is not None and converts_inline(signatures):
        return njit(**settings, inline="always")(inlined(dispatcher, tree, file, signatures))
    return signed(dispatcher, function.__name__, signatures)


MEANINGS = (
    _atomics,
    _checks,
    _descent,
    _durations,
    _intrinsics,
    _shifts,
)  # imported for what they make of our functions


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
    return sum(1 for _ in nodes_of(tree)) < SMALL_NODES
