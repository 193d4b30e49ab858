"""What kernels share within a block, on lanes: barriers, at which kernels are cut, and shared memory.

Shared memory lies on the stack of the function that runs a block, where LLVM knows that nothing else points to it.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import math

from llvmlite import ir
from numba.core.errors import TypingError
from numba.np.arrayobj import make_array, populate_array

from rkruntime.simt import _stubs
from rkruntime.simt._context import INLINE, LoopContext
from rkruntime.simt._intrinsics import dtype_of
from rkruntime.simt._numba import intrinsic, overload, types
from rkruntime.simt._stacks import STATIC_SHARED_BYTES

__all__ = ("block_array",)

WORD = ir.IntType(64)
ALIGNMENT = 64


@overload(_stubs.syncthreads, jit_options=INLINE)
def _syncthreads(ctx):
    """A call has a type, and no code: the lowering cuts where it stands."""
    return (lambda ctx: None) if ctx == LoopContext else None


@intrinsic(prefer_literal=True)
def block_array(typing_context, ctx, site, shape, dtype):
    """Make a shared array; emitted once for each place that makes one."""
    element, extents = dtype_of(dtype), _stubs.parse_shape(shape.literal_value)
    if element is None:
        raise TypingError(f"the dtype of a shared array is a type, such as float32, not {dtype}")
    array_type = types.Array(element, len(extents), "C")

    def codegen(context, builder, signature, args):
        data_type = context.get_data_type(element)
        item_bytes = context.get_abi_sizeof(data_type)
        count = math.prod(extents)
        if count * item_bytes > STATIC_SHARED_BYTES:
            raise TypingError(f"a shared array of {count * item_bytes:,} bytes; a block has {STATIC_SHARED_BYTES:,}")
        with builder.goto_entry_block():
            space = builder.alloca(ir.ArrayType(data_type, count))
        space.align = ALIGNMENT
        array = make_array(array_type)(context, builder)
        populate_array(
            array,
            data=builder.bitcast(space, array.data.type),
            shape=[WORD(extent) for extent in extents],
            strides=[WORD(item_bytes * math.prod(extents[k + 1 :])) for k in range(len(extents))],
            itemsize=WORD(item_bytes),
            meminfo=None,
        )
        return array._getvalue()

    return array_type(ctx, site, shape, dtype), codegen
