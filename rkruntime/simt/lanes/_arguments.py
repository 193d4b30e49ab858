"""What a kernel is given, taken apart without a branch: what is emitted at its beginning later has to come before any.

Numba tells whether a bool is true by a branch. With one among a kernel's arguments, its first block would be over
where room for masks and variables is made.
"""

# numba's data models are untyped
# mypy: disable-error-code="no-untyped-call,no-untyped-def,misc"

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba.core.datamodel.manager import DataModelManager
from numba.core.datamodel.models import BooleanModel
from numba.core.datamodel.packer import ArgPacker
from numba.core.datamodel.registry import default_manager

from rkruntime.simt._numba import types

__all__ = ("taken_apart",)


class Bits(BooleanModel):
    """Bools, which are true where they are not 0."""

    def from_data(self, builder, value):
        """Return a byte as a bit."""
        return builder.icmp_unsigned("!=", value, value.type(0))


_models = DataModelManager({types.Boolean: Bits}).chain(default_manager)


def taken_apart(builder: llvm.IRBuilder, argument_types: Any, raw: Any) -> list[llvm.Value]:
    """Return a function's arguments as values of their types.

    Args:
        builder: Where to emit.
        argument_types: Numba's.
        raw: What the function is called with.
    """
    found: list[llvm.Value] = ArgPacker(_models, argument_types).from_arguments(builder, raw)
    return found
