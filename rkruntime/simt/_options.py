"""How a kernel is compiled: what its author may choose."""

from __future__ import annotations

import attrs

__all__ = ("Options",)


@attrs.frozen
class Options:
    """How to compile.

    Args:
        debug: Check subscripts, and divisions of real numbers too.
        fastmath: Let LLVM treat real numbers as if they obeyed algebra.
        fma: Let LLVM contract a * b + c to one rounding, as numba-cuda does by default.
    """

    debug: bool = False
    fastmath: bool = False
    fma: bool = True
