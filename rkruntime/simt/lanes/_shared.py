"""What kernels share within a block, on lanes: barriers, at which kernels are cut, and shared memory.

Shared memory lies on the stack of the function that runs a block, where LLVM knows that nothing else points to it.
Dynamic arrays are views on one room, whose size the launch tells.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import math

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.np.arrayobj import make_array, populate_array

from rkruntime.simt import _state, _stubs
from rkruntime.simt._context import LoopContext
from rkruntime.simt._intrinsics import dtype_of
from rkruntime.simt._numba import intrinsic, overload, types
from rkruntime.simt._parts import INLINE
from rkruntime.simt._sizes import too_much_shared
from rkruntime.simt._stacks import MOST_ALIGNMENT_BYTES, STATIC_SHARED_BYTES
from rkruntime.simt.lanes._spots import Spots

__all__ = ("BARRIERS", "REDUCING", "block_array")

WORD, INDEX, BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(8)
ALIGNMENT = 64
LANES_AROUND, MOST_BYTES = 64, 16
"""Room before a shared array and after its end, in the most lanes that a vector has and bytes of a number: vectors of
which some lanes are off are read and written whole (`VectorExpressions`)."""

AROUND_BYTES = LANES_AROUND * MOST_BYTES
assert AROUND_BYTES % MOST_ALIGNMENT_BYTES == 0
DYNAMIC = "dynamic_shared"  # the name of its room
STATIC = "static_shared"  # with site and bytes, the name of another's
REDUCING = (_stubs.syncthreads_count, _stubs.syncthreads_and, _stubs.syncthreads_or)
BARRIERS = (_stubs.syncthreads, *REDUCING)


@overload(_stubs.syncthreads, jit_options=INLINE)
def _syncthreads(ctx):
    """A call has a type, and no code: the lowering cuts where it stands."""
    return (lambda ctx: None) if ctx == LoopContext else None


def _define_reducing(stub):
    @overload(stub, jit_options=INLINE)
    def define(ctx, predicate):
        if ctx != LoopContext:
            return None
        if not isinstance(predicate, types.Integer | types.Boolean):
            raise TypingError(f"the predicate of a barrier is a whole number or a truth value, not {predicate}")
        return lambda ctx, predicate: np.int32(0)


for _stub in REDUCING:
    _define_reducing(_stub)


@intrinsic(prefer_literal=True)
def block_array(typing_context, ctx, site, shape, dtype):
    """Make a shared array; emitted once for each place that makes one."""
    element, extents = dtype_of(dtype), _stubs.parse_shape(shape.literal_value)
    alignment = max(ALIGNMENT, _stubs.parse_alignment(shape.literal_value))
    if element is None:
        raise TypingError(f"the dtype of a shared array is a type, such as float32, not {dtype}")
    array_type = types.Array(element, len(extents), "C")

    def codegen(context, builder, signature, args):
        data_type = context.get_data_type(element)
        item_bytes = context.get_abi_sizeof(data_type)
        count = math.prod(extents)
        if extents == (0,):
            return _dynamic(context, builder, array_type, args[0], item_bytes, alignment)
        others = _made_before(builder, {site.literal_value: count * item_bytes})
        if (total := sum(others.values())) > STATIC_SHARED_BYTES:
            raise TypingError(too_much_shared(total))
        step = alignment // math.gcd(alignment, item_bytes)
        around = -(-LANES_AROUND // step) * step if Spots.takes(element) else 0  # what follows is aligned too
        with builder.goto_entry_block():
            room = ir.ArrayType(data_type, count + 2 * around)
            space = builder.alloca(room, name=f"{STATIC}.{site.literal_value}.{count * item_bytes}.")
        space.align = alignment
        first = builder.gep(space, [INDEX(0), INDEX(around)], inbounds=True)
        array = make_array(array_type)(context, builder)
        populate_array(
            array,
            data=builder.bitcast(first, array.data.type),
            shape=[WORD(extent) for extent in extents],
            strides=[WORD(item_bytes * math.prod(extents[k + 1 :])) for k in range(len(extents))],
            itemsize=WORD(item_bytes),
            meminfo=None,
        )
        return array._getvalue()

    return array_type(ctx, site, shape, dtype), codegen


def _made_before(builder, found):
    """Add the sizes of the kernel's static arrays to those of `found`, by site.

    A device function is emitted for each of its calls, and its array is one.
    """
    for one in builder.function.entry_basic_block.instructions:
        if one.name.startswith(f"{STATIC}."):
            site, size = map(int, one.name.split(".")[1:3])
            found[site] = max(found.get(site, 0), size)
    return found


def _dynamic(context, builder, array_type, ctx, item_bytes, alignment):
    """Return all of the block's dynamic shared memory as an array."""
    state = cgutils.create_struct_proxy(LoopContext)(context, builder, ctx).state
    word = builder.inttoptr(builder.add(state, WORD(8 * _state.DYNAMIC_BYTES)), WORD.as_pointer())
    made = builder.block.instructions  # all of a kernel's arrays are emitted in one block
    room = next((one for one in made if one.name.startswith(DYNAMIC)), None)
    size = builder.load(word)
    if room is None:
        room = builder.alloca(BYTE, size=builder.add(size, WORD(2 * AROUND_BYTES)), name=DYNAMIC)
        room.align = ALIGNMENT
    room.align = max(room.align, alignment)
    array = make_array(array_type)(context, builder)
    populate_array(
        array,
        data=builder.bitcast(builder.gep(room, [WORD(AROUND_BYTES)], inbounds=True), array.data.type),
        shape=[builder.udiv(size, WORD(item_bytes))],
        strides=[WORD(item_bytes)],
        itemsize=WORD(item_bytes),
        meminfo=None,
    )
    return array._getvalue()
