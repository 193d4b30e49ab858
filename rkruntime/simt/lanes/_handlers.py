"""What lanes leave to loops and fibers of a kernel's own `try` with `except`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numba.core import ir
from numba.core.unsafe.eh import exception_check

from rkruntime.simt._refused import refused_at

__all__ = ("refuse_handlers",)


def refuse_handlers(blocks: Mapping[int, Any]) -> None:
    """Refuse a handler: numba keeps one note of what was raised, for all threads of a vector, and all would go to it.

    Args:
        blocks: Numba's, by label.

    Raises:
        LanesRefused: There is one.
    """
    for block in blocks.values():
        for inst in block.body:
            value = inst.value if isinstance(inst, ir.Assign) else None
            if isinstance(value, ir.Global) and value.value is exception_check:
                raise refused_at(inst.loc, "each thread handles what it raises by itself")
