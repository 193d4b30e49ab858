"""Functions and types of other libraries that one of ours replaces in kernels, as CUDA means them.

Numba's CPU target lacks some functions of `math` that numba-cuda has, and gives others another meaning: on CUDA,
`math.floor` of a float is a float, so that it holds for infinities and numbers beyond 64 bits. Whole libraries that
exist for CUDA alone (`libdevice`, `cuda.fp16`, vector types) have modules of their own, imported when a kernel uses
one.
"""

from __future__ import annotations

import functools
import importlib
import operator
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import numpy as np

__all__ = ("StandIn", "stand_in_for")


@attrs.frozen(eq=False)
class StandIn:
    """What takes the place of an object in kernels.

    Args:
        spelling: What people call the object, such as `libdevice.sinf`; it tells compiled kernels apart on disk.
        value: What numba compiles in its place.
        cacheable: Whether the spelling tells all that machine code depends on.
        why: Why it does not, where it does not.
        told: What writes down all of that, where it does not, or raises Uncacheable; None where nothing can.
    """

    spelling: str
    value: Any
    cacheable: bool = True
    why: str = "it was given to the cuda target, and is read once types are known"
    told: Callable[[], str] | None = None

    def in_keys(self) -> str | None:
        """Return what stands for it in the names of entries on disk; None where nothing can.

        Raises:
            Uncacheable: It refers to what cannot be told.
        """
        if self.cacheable:
            return self.spelling
        return None if self.told is None else f"{self.spelling}\n{self.told()}"


# Module of the object: (what people call it, our module)
_LIBRARIES: Mapping[str, tuple[str, str]] = {
    "numba.cuda._internal.cuda_bf16": ("bf16", "rkruntime.simt._bf16"),
    "numba.cuda._internal.cuda_fp16": ("fp16", "rkruntime.simt._fp16"),
    "numba.cuda.libdevice": ("libdevice", "rkruntime.simt._libdevice"),
    "numba.cuda.stubs": ("cuda", "rkruntime.simt._vector_types"),
    "numba.cuda.misc.special": ("numba", "rkruntime.simt._same"),
    "numba.cuda.np.numpy_support": ("numba", "rkruntime.simt._same"),
}
_OTHERS = (round, str, operator.lshift, operator.rshift, np.left_shift, np.right_shift)


@functools.cache
def _of_math() -> Mapping[int, StandIn]:
    """Return the table for functions of `math`, keyed by `id`."""
    from rkruntime.simt import _math, _shifts, _text

    functions = {**_math.FUNCTIONS, **_shifts.FUNCTIONS, str: _text.text}
    return {id(function): StandIn(_spelling(function), value) for function, value in functions.items()}


def _spelling(function: Any) -> str:
    return f"{getattr(function, '__module__', None) or 'numpy'}.{function.__name__}"


def stand_in_for(found: object) -> StandIn | None:
    """Return what takes the place of an object in kernels, or None where it stays as it is."""
    module = getattr(found, "__module__", None)
    if module == "math" or any(found is one for one in _OTHERS):
        return _of_math().get(id(found))
    library = _LIBRARIES.get(module) if isinstance(module, str) else None
    name = str(getattr(found, "__name__", ""))
    if library is None or (module == "numba.cuda.stubs" and name[-2:-1] != "x"):  # float32x2 is one, threadIdx is none
        return None
    return _of_library(*library, name)


@functools.cache
def _of_library(spelling: str, module: str, name: str) -> StandIn | None:
    value = importlib.import_module(module).stand_in(name)
    return None if value is None else StandIn(f"{spelling}.{name}", value)
