"""Numba's compiler with our lowering at its end."""

# numba types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def,misc,untyped-decorator"

from __future__ import annotations

import functools
from typing import Any

from numba.core.compiler import CompilerBase
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import BaseNativeLowering, NativeLowering

from rkruntime.simt._parts import PartCompiler
from rkruntime.simt._refused import LanesRefused
from rkruntime.simt._rows import Rows
from rkruntime.simt.lanes._blocks import BlockLower
from rkruntime.simt.lanes._numbered import NumberedLower
from rkruntime.simt.lanes._united import UnitedLower

__all__ = ("check_for_owned", "compiler_for")


@functools.cache
def compiler_for(width: int, *, blocks: bool, rows: Rows, private: tuple[int, ...] = ()) -> type[CompilerBase]:
    """Return the compiler of kernels' bodies.

    Args:
        width: Threads of a vector.
        blocks: Whether one call runs a whole block, with its barriers; else one vector.
        rows: Which blocks they are for.
        private: Arguments of which a worker may have a copy.
    """
    kept = {"width": width, "private": frozenset(private), "rows": rows}
    base = UnitedLower if not blocks else NumberedLower if rows is Rows.NUMBERED else BlockLower
    lower = type(f"Lanes{width}Lower", (base,), kept)

    @register_pass(mutates_CFG=True, analysis_only=False)
    class LanesLowering(BaseNativeLowering):
        """Lowers typed code to vectors."""

        _name: Any = f"lanes_lowering_{width}_{blocks}_{rows.name}_{private}"

        @property
        def lowering_class(self) -> Any:
            return lower

    class LanesCompiler(PartCompiler):
        """Numba's passes, with that instead of its own lowering."""

        def define_pipelines(self):
            (passes,) = super().define_pipelines()
            passes.passes = [
                (LanesLowering, why) if one is NativeLowering else (one, why) for one, why in passes.passes
            ]
            passes.finalize()
            return [passes]

    return LanesCompiler


def check_for_owned(body: Any) -> None:
    """Refuse code for lanes that allocates arrays: lanes count no references, and would never free them.

    Args:
        body: A compiled function.

    Raises:
        LanesRefused: It, or what it calls, allocates.
    """
    waiting, seen = [next(iter(body.overloads.values())).library], set[int]()
    while waiting:
        library = waiting.pop()
        if id(library) in seen:
            continue
        seen.add(id(library))
        if any(one.name.startswith("NRT_MemInfo_alloc") for one in library._final_module.functions):
            raise LanesRefused("it allocates arrays, which each thread frees by itself")
        waiting.extend(library._linking_libraries)
