"""Hold LLVM code that users make for the cuda target to what a CPU can run.

LLVM ends the process where it meets an instruction that the machine lacks, or a function that nothing defines. So what
intrinsics and implementations make is looked through as they make it.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-any-return,unused-ignore"

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core.errors import LoweringError

__all__ = ("for_cpus",)

MEND = "use a function of numba.cuda, of numba.cuda.libdevice or of math for it"
GPU_SYMBOLS = ("vprintf",)  # which libraries for CPUs define too, with other parameters


def for_cpus(make: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function `make(context, builder, ...)` that makes LLVM code: what is for GPUs alone is refused.

    Raises:
        LoweringError: It made inline assembly, an intrinsic of NVVM, or a call of a function that nothing defines.
    """

    @functools.wraps(make)
    def checked(context: Any, builder: Any, *args: Any, **keywords: Any) -> Any:
        known = set(builder.module.globals)
        assembly = _assembly_in(builder.function)
        made = make(context, builder, *args, **keywords)
        if _assembly_in(builder.function) > assembly:
            raise LoweringError(f"inline assembly in {make.__qualname__}, which is for a GPU; {MEND}")
        for name in set(builder.module.globals) - known:
            if _is_undefined(builder.module.globals[name], name):
                raise LoweringError(f"{name} in {make.__qualname__}, which no CPU has; {MEND}")
        return made

    return checked


def _assembly_in(function: ir.Function) -> int:
    """Count calls of inline assembly."""
    calls = (one for block in function.blocks for one in block.instructions if isinstance(one, ir.CallInstr))
    return sum(isinstance(one.callee, ir.InlineAsm) for one in calls)


def _is_undefined(value: Any, name: str) -> bool:
    """Whether a name is a function that neither LLVM nor the process defines; numba's own have mangled names."""
    if not isinstance(value, ir.Function) or not value.is_declaration or name.startswith(("_ZN", "numba_", "NRT_")):
        return False
    if name.startswith("llvm."):
        return name.startswith("llvm.nvvm.")
    return name in GPU_SYMBOLS or llvm.address_of_symbol(name) is None
