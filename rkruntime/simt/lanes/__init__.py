"""The lanes lowering: neighbouring threads as the lanes of explicit LLVM vectors.

Numba types a kernel as for one thread (`_compile`). An analysis tells what is the same for all threads of a vector,
what counts up along it, and what differs (`_shapes`), and which blocks they run at different times (`_flow`). What is
the same stays numba's; the rest becomes vectors and masks (`_lower`, with `_expressions` and `_memory`).
"""

from rkruntime.simt.lanes._compile import compiler_for as compiler_for
from rkruntime.simt.lanes._lower import LanesRefused as LanesRefused

__all__ = ("WIDTH", "LanesRefused", "compiler_for")

WIDTH = 16
