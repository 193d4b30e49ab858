"""Functions from CUDA C++ or PTX, which `cuda.declare_device` has kernels call: there is no code of them for a CPU."""

from __future__ import annotations

from typing import Any

import attrs

from rkruntime.errors import UnsupportedKernel

__all__ = ("IN_PYTHON", "Linked", "is_linked")

IN_PYTHON = "write it in Python, as a function with @cuda.jit(device=True), or run the program on a GPU"


@attrs.define(eq=False)
class Linked(UnsupportedKernel):
    """A kernel calls a function that is linked to it from CUDA C++ or PTX; numba-cuda's simulator has it neither."""


def is_linked(value: Any) -> bool:
    """Whether this is what `cuda.declare_device` returns."""
    kind = type(value)
    return kind.__name__ == "ExternFunction" and kind.__module__ == "numba.cuda.compiler"
