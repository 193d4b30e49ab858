"""How a kernel is compiled: what its author may choose."""

from __future__ import annotations

import attrs

__all__ = ("PLAIN", "Options")


@attrs.frozen
class Options:
    """How to compile.

    Args:
        debug: Check subscripts, divisions of real numbers, and that the threads of a block wait at one barrier.
        check_bounds: Check subscripts alone: those of debug, and nothing else of it.
        fastmath: Let LLVM treat real numbers as if they obeyed algebra.
        fma: Let LLVM contract a * b + c to one rounding, as numba-cuda does by default.
        ends_threads: Let a subscript outside of an array's shape or strides end its thread, as on a GPU without debug.
    """

    debug: bool = False
    check_bounds: bool = False
    fastmath: bool = False
    fma: bool = True
    ends_threads: bool = False

    @property
    def checks_subscripts(self) -> bool:
        """Whether an index outside its array raises."""
        return self.debug or self.check_bounds


PLAIN = Options()
"""What is compiled with where nothing is chosen."""
