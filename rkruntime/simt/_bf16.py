"""`cuda.bf16` on the CPU."""

from __future__ import annotations

import functools
from typing import Any

from rkruntime.simt._bfloat import BFLOAT
from rkruntime.simt._short_library import ShortLibrary

__all__ = ("stand_in",)

_library = ShortLibrary(BFLOAT, "bfloat16")


@functools.cache
def stand_in(name: str) -> Any:
    """Return what a kernel calls in place of a function of `cuda.bf16`, or None where there is no such function."""
    return _library.find(name)
