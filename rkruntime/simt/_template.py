"""What runs blocks, compiled once for all kernels of a lowering, and kept on disk like kernels.

Numba takes longer for it than for a small kernel itself. It stays LLVM code that each kernel is put into (`_whole`):
only so does LLVM see the loop over threads and the kernel's body as one.
"""

# mypy: disable-error-code="no-untyped-call,unused-ignore"

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from typing import Any

import attrs
import llvmlite.binding as llvm
import numba.core.serialize
from numba.core.compiler_lock import global_compiler_lock
from numba.core.environment import lookup_environment
from numba.core.registry import cpu_target

from rkruntime.simt import _cache
from rkruntime.simt._drive import drive
from rkruntime.simt._loop import make_run
from rkruntime.simt._on_disk import environment_of
from rkruntime.simt._parts import ENVIRONMENT
from rkruntime.simt._seam import DRIVE_PARAMETERS, RUN_PARAMETERS
from rkruntime.simt.lanes import make_block_run

__all__ = ("Kind", "Template", "template_of")

dumps: Any = numba.core.serialize.dumps  # numba does not declare it
_made: dict[Kind, Template] = {}


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


@attrs.frozen(eq=False)
class Template:
    """LLVM code that calls what `_seam` names.

    Args:
        bitcode: The module.
        drive: The name of the function in it that hands out blocks.
        run: The name of the function in it that runs a range of blocks.
        environments: Constants of its functions, to which it points; whoever uses it keeps them.
    """

    bitcode: bytes
    drive: str
    run: str
    environments: tuple[Any, ...]

    def module(self) -> llvm.ModuleRef:
        """Return the module, to be linked into another."""
        return llvm.parse_bitcode(self.bitcode)


@global_compiler_lock  # type: ignore[untyped-decorator]
def template_of(kind: Kind) -> Template:
    """Return the template of a kind: made before, or kept on disk, or compiled now."""
    found = _made.get(kind)
    if found is None:
        key = _cache.digest(["template", repr(kind)])
        found = _made[kind] = _from_disk(key) or _compiled(kind, key)
    return found


def _folder() -> Path | None:
    """Return where templates are kept: beside kernels, so that many of these do not push them out."""
    kernels = _cache.folder()
    return kernels and kernels.with_name("templates")


def _from_disk(key: str) -> Template | None:
    payload = _cache.read("template", key, _folder())
    if payload is None:
        return None
    bitcode, names, environments = pickle.loads(payload)
    return Template(bitcode, *names, tuple(environment_of(*one) for one in environments))


def _compiled(kind: Kind, key: str) -> Template:
    (drives, module), (runs, blocks) = _part(drive, DRIVE_PARAMETERS), _part(_run_of(kind), RUN_PARAMETERS)
    module.link_in(blocks)
    for function in module.functions:
        if not function.is_declaration and function.name not in (drives, runs):
            function.linkage = "internal"  # each kernel's is its own
    _simplify(module)
    called = (one.name for one in module.global_variables if one.name.startswith(ENVIRONMENT))
    environments = tuple(one for one in map(lookup_environment, called) if one is not None)
    made = Template(module.as_bitcode(), drives, runs, environments)
    constants = [(one.env_name, list(one.consts)) for one in environments]
    _cache.write("template", key, dumps((made.bitcode, (drives, runs), constants)), _folder())
    return made


def _part(dispatcher: Any, parameters: tuple[Any, ...]) -> tuple[str, llvm.ModuleRef]:
    """Compile a function to LLVM code; return its name there, and the module with all that it calls."""
    dispatcher.compile(parameters)
    compiled = dispatcher.overloads[parameters]
    compiled.library._ensure_finalized()  # which links what it calls
    return compiled.fndesc.llvm_func_name, compiled.library._final_module.clone()


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
