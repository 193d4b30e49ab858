"""`cuda.fp16` on the CPU."""

from __future__ import annotations

import functools
from typing import Any

from rkruntime.simt import _half as _half  # registers float16
from rkruntime.simt._numba import types
from rkruntime.simt._short_library import ShortLibrary

__all__ = ("stand_in",)

_library = ShortLibrary(types.float16, "half")


@functools.cache
def stand_in(name: str) -> Any:
    """Return what a kernel calls in place of a function of `cuda.fp16`, or None where there is no such function."""
    return _library.find(name)
