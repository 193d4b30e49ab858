"""The lanes lowering: neighbouring threads as the lanes of explicit LLVM vectors.

Numba types a kernel as for one thread (`_compile`). An analysis tells what is the same for all threads of a vector,
what counts up along it, and what differs (`_shapes`), and which blocks they run at different times (`_flow`). What is
the same stays numba's; the rest becomes vectors and masks (`_lower`, with `_expressions` and `_memory`). Kernels with
barriers are cut at these, and each piece is a loop over the vectors of a block (`_segments`, `_blocks`).
"""

from rkruntime.simt._refused import LanesRefused as LanesRefused
from rkruntime.simt.lanes._compile import check_for_owned as check_for_owned
from rkruntime.simt.lanes._compile import compiler_for as compiler_for
from rkruntime.simt.lanes._copies import MOST_BYTES as MOST_BYTES
from rkruntime.simt.lanes._copies import can_be_copied as can_be_copied
from rkruntime.simt.lanes._copies import emit_merge as emit_merge
from rkruntime.simt.lanes._copies import emit_take as emit_take
from rkruntime.simt.lanes._run import make_block_run as make_block_run
from rkruntime.simt.lanes._shared import block_array as block_array

__all__ = (
    "MOST_BYTES",
    "LanesRefused",
    "block_array",
    "can_be_copied",
    "check_for_owned",
    "compiler_for",
    "emit_merge",
    "emit_take",
    "make_block_run",
)
