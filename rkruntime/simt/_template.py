"""What runs blocks, compiled once for all kernels of a lowering, and kept on disk like kernels.

Numba takes longer for it than for a small kernel itself. It stays LLVM code that each kernel is put into (`_whole`):
only so does LLVM see the loop over threads and the kernel's body as one.
"""

# mypy: disable-error-code="no-untyped-call,unused-ignore"

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

import attrs
import llvmlite.binding as llvm
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from rkruntime.simt import _cache
from rkruntime.simt._drive import drive
from rkruntime.simt._loop import make_run
from rkruntime.simt._parts import ENVIRONMENT
from rkruntime.simt._seam import BLOCKS, DRIVE, DRIVE_PARAMETERS, RUN_PARAMETERS
from rkruntime.simt.lanes import make_block_run

__all__ = ("Kind", "template_of")

_made: dict[Kind, bytes] = {}
log = logging.getLogger("rkruntime.simt")


@attrs.frozen
class Kind:
    """What tells templates apart.

    Args:
        lowering: `lanes`, `loop` or `fibers`.
        width: How many threads a kernel's body runs as a vector; 0 where it runs one thread.
        wide: Whether neighbouring blocks run as one.
        blocks: Whether a kernel's body runs a whole block of lanes.
        warps: Whether threads of a warp work together, on fibers.
        grid: Whether all threads of the grid wait for one another.
    """

    lowering: str
    width: int = 0
    wide: bool = False
    blocks: bool = False
    warps: bool = False
    grid: bool = False


@global_compiler_lock  # type: ignore[untyped-decorator]
def template_of(kind: Kind) -> llvm.ModuleRef:
    """Return a module, to be linked into another, that defines DRIVE and BLOCKS, and calls what else `_seam` names.

    It was made before, or kept on disk, or is compiled now.

    Args:
        kind: Which.
    """
    bitcode = _made.get(kind)
    if bitcode is not None:
        return llvm.parse_bitcode(bitcode)
    key = _cache.digest(["template", repr(kind)])
    module = _from_disk(key)
    if module is None:
        module = _compiled(kind)
        _cache.write("template", key, module.as_bitcode(), _folder())
    _made[kind] = module.as_bitcode()
    return module


def _folder() -> Path | None:
    """Return where templates are kept: beside kernels, so that many of these do not push them out."""
    kernels = _cache.folder()
    return kernels and kernels.with_name("templates")


def _from_disk(key: str) -> llvm.ModuleRef | None:
    bitcode = _cache.read("template", key, _folder())
    if bitcode is None:
        return None
    try:
        module = llvm.parse_bitcode(bitcode)
        for name in (DRIVE, BLOCKS):
            module.get_function(name)
    except (RuntimeError, NameError) as error:  # compiling anew mends it
        log.warning("dropping what runs blocks from the kernel cache, since it does not load: %s", error)
        return None
    return module


def _compiled(kind: Kind) -> llvm.ModuleRef:
    module = _part(drive, DRIVE_PARAMETERS, DRIVE)
    module.link_in(_part(_run_of(kind), RUN_PARAMETERS, BLOCKS))
    for one in (*module.functions, *module.global_variables):
        # Each kernel has its own. Nothing here has constants, so that nothing needs numba's environments.
        if one.name.startswith(ENVIRONMENT) or not (one.is_declaration or one.name in (DRIVE, BLOCKS)):
            one.linkage = "internal"
    _simplify(module)
    return module


def _part(dispatcher: Any, parameters: tuple[Any, ...], name: str) -> llvm.ModuleRef:
    """Compile a function to LLVM code; return a module with it, under that name, and with all that it calls."""
    dispatcher.compile(parameters)
    compiled = dispatcher.overloads[parameters]
    compiled.library._ensure_finalized()  # which links what it calls
    module: llvm.ModuleRef = compiled.library._final_module.clone()
    module.get_function(compiled.fndesc.llvm_func_name).name = name
    return module


def _run_of(kind: Kind) -> Any:
    if kind.lowering != "fibers":
        return make_block_run() if kind.blocks else make_run(kind.width, wide=kind.wide)
    fibers = importlib.import_module("rkruntime.simt._fibers_grid" if kind.grid else "rkruntime.simt._fibers")
    return fibers.make_run(warps=kind.warps)


def _simplify(module: llvm.ModuleRef) -> None:
    """Do once what each kernel's compilation would begin with; loops are found more easily afterwards."""
    generator: Any = cpu_target.target_context.codegen()
    for function in module.functions:
        if not function.is_declaration:
            passes, builder = generator._function_pass_manager()
            passes.run(function, builder)
    unused = llvm.newpassmanagers.create_new_module_pass_manager()
    unused.add_global_dead_code_eliminate_pass()
    unused.run(module, generator._pass_builder(opt=3))
