"""From a program's definitions to machine code: the driver that workers call, with all that it calls.

Imported with the first kernel that is not on disk.
"""

# mypy: disable-error-code="no-untyped-call,unused-ignore"

from __future__ import annotations

from typing import Any

from rkruntime.simt._blas import import_array_functions
from rkruntime.simt._choice import Choice, has_barriers
from rkruntime.simt._context import LoopContext
from rkruntime.simt._emit import emit, numba_options
from rkruntime.simt._features import Category
from rkruntime.simt._numba import njit
from rkruntime.simt._options import Options
from rkruntime.simt._private import added_to_only
from rkruntime.simt._program import Program
from rkruntime.simt._template import Kind, template_of
from rkruntime.simt._trees import Trees
from rkruntime.simt._whole import Parts, put_together
from rkruntime.simt.lanes import can_be_copied, check_for_owned, compiler_for

__all__ = ("compile_drive",)


def compile_drive(
    program: Program, trees: Trees, options: Options, choice: Choice, argument_types: tuple[Any, ...]
) -> Any:
    """Compile the driver; return what `_whole` made of it.

    Raises:
        LanesRefused: Lanes were chosen and cannot take the kernel.
        NumbaError: Or whatever else numba raises, where the kernel does not type for these arguments.
    """
    import_array_functions()
    lowering, width = choice.lowering, choice.lanes
    blocks, vectors = has_barriers(program), lowering == "lanes"
    emitted = emit(program, trees, options, blocks=blocks and vectors, lanes=vectors)
    private: tuple[int, ...] = ()
    body, limits = emitted.body, None
    context: Any = LoopContext
    if lowering == "fibers":
        from rkruntime.simt import _fiber_intrinsics
        from rkruntime.simt._fiber_calls import FiberContext

        del _fiber_intrinsics  # imported for the meaning that it gives to our functions
        context = FiberContext
    elif vectors:
        private = tuple(k for k in added_to_only(program.kernel.tree) if can_be_copied(argument_types[k]))
        compiler = compiler_for(width, blocks=blocks, rows=choice.rows, private=private)
        body = njit(**{**numba_options(options), "pipeline_class": compiler})(emitted.body.py_func)
    result = _compiled(body, (context, *argument_types))
    if vectors:
        check_for_owned(body)
    if trees.notes:
        limits = _compiled(emitted.limits, (context, *argument_types))
    kind = _kind_of(program, choice, wide=trees.wide)
    return put_together(template_of(kind), Parts(context, result, argument_types, limits, private), vectors=vectors)


def _kind_of(program: Program, choice: Choice, *, wide: bool) -> Kind:
    """Return what runs the kernel's blocks."""
    categories = program.categories
    if choice.lowering == "fibers":
        return Kind("fibers", warps=Category.WARP in categories, grid=Category.GRID in categories)
    if has_barriers(program):
        return Kind("lanes", blocks=True)
    return Kind(choice.lowering, width=choice.lanes if choice.lowering == "lanes" else 0, wide=wide)


def _compiled(dispatcher: Any, argument_types: tuple[Any, ...]) -> Any:
    """Return numba's result for a function; its errors are the author's."""
    dispatcher.compile(argument_types)
    return next(iter(dispatcher.overloads.values()))
