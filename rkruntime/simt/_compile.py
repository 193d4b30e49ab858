"""From a program's definitions to machine code: the driver that workers call, with all that it calls.

Imported with the first kernel that is not on disk.
"""

# mypy: disable-error-code="no-untyped-call,unused-ignore"

from __future__ import annotations

from typing import Any

from rkruntime.simt._blas import import_array_functions
from rkruntime.simt._choice import Choice, has_barriers
from rkruntime.simt._context import LoopContext
from rkruntime.simt._drive import make_drive
from rkruntime.simt._emit import emit, numba_options
from rkruntime.simt._features import Category
from rkruntime.simt._loop import make_row, make_run
from rkruntime.simt._numba import njit, types
from rkruntime.simt._options import Options
from rkruntime.simt._private import added_to_only
from rkruntime.simt._program import Program
from rkruntime.simt._trees import Trees
from rkruntime.simt.lanes import can_be_copied, check_for_owned, compiler_for, make_block_run

__all__ = ("compile_drive",)

TRIPLE = types.UniTuple(types.int64, 3)


def compile_drive(
    program: Program, trees: Trees, options: Options, choice: Choice, argument_types: tuple[Any, ...]
) -> Any:
    """Compile the driver; return numba's result.

    Raises:
        LanesRefused: Lanes were chosen and cannot take the kernel.
        NumbaError: Or whatever else numba raises, where the kernel does not type for these arguments.
    """
    import_array_functions()
    lowering, width = choice.lowering, choice.lanes
    blocks, vectors = has_barriers(program), lowering == "lanes"
    emitted = emit(program, trees, options, blocks=blocks and vectors, lanes=vectors)
    private: tuple[int, ...] = ()
    if vectors:
        private = tuple(k for k in added_to_only(program.kernel.tree) if can_be_copied(argument_types[k]))
        compiler = compiler_for(width, blocks=blocks, in_rows=choice.in_rows, private=private)
        body = njit(**{**numba_options(options), "pipeline_class": compiler})(emitted.body.py_func)
        body.compile((LoopContext, *argument_types))
        check_for_owned(body)
    if lowering == "fibers":
        run = _run_of_fibers(emitted.body, program, argument_types)
    elif blocks:
        run = make_block_run(body, private)
    else:
        if vectors:
            row = make_row(lanes=body, width=width)
        else:
            emitted.body.compile((LoopContext, *argument_types))
            row = make_row(emitted.body)
        run = make_run(row, emitted.limits, wide=trees.wide, private=private)
    drive = make_drive(run, vectors=vectors)
    arguments = types.Tuple(argument_types)
    drive.compile((types.int64, types.int64, TRIPLE, TRIPLE, types.int64, arguments))
    return next(iter(drive.overloads.values()))


def _run_of_fibers(body: Any, program: Program, argument_types: tuple[Any, ...]) -> Any:
    """Make what runs blocks whose threads are fibers; not all machines have them."""
    from rkruntime.simt import _fiber_intrinsics, _fibers, _fibers_grid
    from rkruntime.simt._fiber_calls import FiberContext

    del _fiber_intrinsics  # imported for the meaning that it gives to our functions
    body.compile((FiberContext, *argument_types))  # by itself first: its errors are the author's
    fibers: Any = _fibers_grid if Category.GRID in program.categories else _fibers
    return fibers.make_run(body, program.categories)
