"""Arguments without their owners: whoever launches a kernel holds them until it ends, so no thread counts references.

Workers would count all at the same place of memory, and wait there for one another.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from rkruntime.simt._numba import types

__all__ = ("without_counts", "without_owner")

COUNTING = ("NRT_incref", "NRT_decref")


def without_owner(context: Any, builder: ir.IRBuilder, type_: Any, held: ir.Value) -> ir.Value:
    """Return a value whose arrays and strings are nobody's, so that nobody frees them.

    Args:
        context: Numba's target context.
        builder: Where to emit.
        type_: Numba's type of the value.
        held: It.
    """
    if isinstance(type_, types.BaseTuple):
        for k, part in enumerate(type_):
            one = without_owner(context, builder, part, builder.extract_value(held, k))
            held = builder.insert_value(held, one, k)
    if not isinstance(type_, types.Array | types.UnicodeType):
        return held
    owned = cgutils.create_struct_proxy(type_)(context, builder, held)
    owned.meminfo = ir.Constant(owned.meminfo.type, None)
    owned.parent = ir.Constant(owned.parent.type, None)
    return owned._getvalue()


def without_counts(module: ir.Module) -> None:
    """Take the counting of references out of code in which nothing has an owner: it would only take time to compile.

    Args:
        module: Emitted, and not yet compiled.
    """
    counting = [module.globals.pop(name) for name in COUNTING if name in module.globals]
    for function in module.functions if counting else ():
        for block in function.blocks:
            block.instructions[:] = [one for one in block.instructions if getattr(one, "callee", None) not in counting]
