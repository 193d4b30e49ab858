"""What follows from a thread's index, whichever lowering gives it, and what needs no context at all.

Places in the grid, lanes, cancellation, fences, local and constant arrays, and the bit and number functions of
numba.cuda. Results have the types that numba-cuda gives them.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.np import numpy_support
from numba.np.arrayobj import make_array, populate_array

from rkruntime.simt import _stubs
from rkruntime.simt._context import LoopContext
from rkruntime.simt._cube_root import cube_root
from rkruntime.simt._numba import intrinsic, overload, overload_method, types
from rkruntime.simt._parts import INLINE
from rkruntime.simt._raised import Interrupted

__all__ = ("check_vote", "dtype_of", "local_array", "read_anew")

WORD, HALF = ir.IntType(64), ir.IntType(32)
LOCAL_ALIGNMENT = 16


class Extent(namedtuple("Extent", ("x", "y", "z"))):
    """Three numbers, which print as CUDA's `dim3` does."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(tuple(self))


# Where a thread is


def check_vote(mask: Any, predicate: Any) -> None:
    """Hold the arguments of a warp vote to the types that CUDA has it for.

    Raises:
        TypingError: They have others.
    """
    if not isinstance(mask, types.Integer):
        raise TypingError(f"the mask of a warp vote is a whole number, not {mask}")
    if not isinstance(predicate, types.Integer | types.Boolean):
        raise TypingError(f"the predicate of a warp vote is a whole number or a truth value, not {predicate}")


def _define_place(stub: Any, axis: int) -> None:
    @overload(stub, jit_options=INLINE)
    def define(ctx):
        if ctx == LoopContext:
            return None

        def place(ctx):
            block = np.int64(_stubs.block_idx(ctx, axis)) * np.int64(_stubs.block_dim(ctx, axis))
            return block + np.int64(_stubs.thread_idx(ctx, axis))

        return place


for _axis, _stub in enumerate((_stubs.place_x, _stubs.place_y, _stubs.place_z)):
    _define_place(_stub, _axis)


def _define_extent(stub: Any, one: Any) -> None:
    @overload(stub, jit_options=INLINE)
    def define(ctx):
        return lambda ctx: Extent(one(ctx, 0), one(ctx, 1), one(ctx, 2))


for _stub, _one in (
    (_stubs.thread_idx_3, _stubs.thread_idx),
    (_stubs.block_idx_3, _stubs.block_idx),
    (_stubs.block_dim_3, _stubs.block_dim),
    (_stubs.grid_dim_3, _stubs.grid_dim),
):
    _define_extent(_stub, _one)


@overload(_stubs.grid_1, jit_options=INLINE)
def _grid_1(ctx):
    return (lambda ctx: _stubs.place_x(ctx)) if ctx != LoopContext else None


@overload(_stubs.grid_2, jit_options=INLINE)
def _grid_2(ctx):
    return (lambda ctx: (_stubs.place_x(ctx), _stubs.place_y(ctx))) if ctx != LoopContext else None


@overload(_stubs.grid_3, jit_options=INLINE)
def _grid_3(ctx):
    if ctx == LoopContext:
        return None
    return lambda ctx: (_stubs.place_x(ctx), _stubs.place_y(ctx), _stubs.place_z(ctx))


def threads_along(ctx, axis):
    """Threads of the whole grid along an axis, int64; kernels compile it."""


@overload(threads_along, jit_options=INLINE, prefer_literal=True)
def _threads_along(ctx, axis):
    return lambda ctx, axis: np.int64(_stubs.block_dim(ctx, axis)) * np.int64(_stubs.grid_dim(ctx, axis))


@overload(_stubs.gridsize_1, jit_options=INLINE)
def _gridsize_1(ctx):
    return lambda ctx: threads_along(ctx, 0)


@overload(_stubs.gridsize_2, jit_options=INLINE)
def _gridsize_2(ctx):
    return lambda ctx: (threads_along(ctx, 0), threads_along(ctx, 1))


@overload(_stubs.gridsize_3, jit_options=INLINE)
def _gridsize_3(ctx):
    return lambda ctx: (threads_along(ctx, 0), threads_along(ctx, 1), threads_along(ctx, 2))


@overload(_stubs.laneid, jit_options=INLINE)
def _laneid(ctx):
    def lane(ctx):
        rows = _stubs.thread_idx(ctx, 1) + _stubs.thread_idx(ctx, 2) * _stubs.block_dim(ctx, 1)
        return np.int32((_stubs.thread_idx(ctx, 0) + rows * _stubs.block_dim(ctx, 0)) & 31)

    return lane


@overload(_stubs.lanemask_lt, jit_options=INLINE)
def _lanemask_lt(ctx):
    return lambda ctx: np.uint32((np.int64(1) << np.int64(_stubs.laneid(ctx))) - 1)


# Cancellation, waiting, fences


@intrinsic
def read_anew(typing_context, address):
    """Read the int64 at an address anew each time, since another thread may change it."""

    def codegen(context, builder, signature, args):
        return builder.load_atomic(builder.inttoptr(args[0], WORD.as_pointer()), "monotonic", 8, typ=WORD)

    return types.int64(types.int64), codegen


@overload(_stubs.interrupt, jit_options=INLINE)
def _interrupt(ctx):
    if ctx == types.none:  # methods and operators that users gave to a type: they know of no launch
        return lambda ctx: None

    def interrupt(ctx):
        if read_anew(_stubs.cancel_address(ctx)) != 0:
            raise Interrupted

    return interrupt


@overload(_stubs.nanosleep, jit_options=INLINE)
def _nanosleep(ctx, ns):
    return lambda ctx, ns: None


@intrinsic
def _full_fence(typing_context):
    def codegen(context, builder, signature, args):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.none(), codegen


@overload(_stubs.fence, jit_options=INLINE)
def _fence():
    return lambda: _full_fence()


# Arrays of a thread's own, and constants


def dtype_of(given: Any) -> Any:
    """Return the numba type of an array's elements from the type of what the kernel gave as dtype, or None."""
    if isinstance(given, types.NumberClass | types.DType):
        return given.dtype
    if isinstance(given, types.TypeRef):
        return given.instance_type
    if isinstance(given, types.StringLiteral):
        return numpy_support.from_dtype(np.dtype(given.literal_value))
    return None


@intrinsic(prefer_literal=True)
def local_array(typing_context, shape, dtype):
    """Make an array on the stack of the function that calls this; so it is no `overload`, which has a stack of its own.

    What it holds is undefined, as on CUDA.
    """
    element = dtype_of(dtype)
    if element is None:
        return None
    extents, alignment = _stubs.parse_shape(shape.literal_value), _stubs.parse_alignment(shape.literal_value)
    array_type = types.Array(element, len(extents), "C")

    def codegen(context, builder, signature, args):
        count = int(np.prod(extents, dtype=np.int64))
        data_type = context.get_data_type(element)
        with builder.goto_entry_block():
            space = builder.alloca(ir.ArrayType(data_type, max(count, 1)))
            space.align = max(alignment, LOCAL_ALIGNMENT, context.get_abi_alignment(data_type))
        item_bytes = context.get_abi_sizeof(data_type)
        strides = [item_bytes * int(np.prod(extents[k + 1 :], dtype=np.int64)) for k in range(len(extents))]
        array = make_array(array_type)(context, builder)
        populate_array(
            array,
            data=builder.bitcast(space, array.data.type),
            shape=[ir.Constant(WORD, extent) for extent in extents],
            strides=[ir.Constant(WORD, stride) for stride in strides],
            itemsize=ir.Constant(WORD, item_bytes),
            meminfo=None,
        )
        return array._getvalue()

    return array_type(shape, dtype), codegen


@overload(_stubs.const_array_like, jit_options=INLINE)
def _const_array_like(array):
    return lambda array: array


@overload(_stubs.load_cached, jit_options=INLINE)
def _load_cached(array, index):
    return lambda array, index: array[index]


@overload(_stubs.store_cached, jit_options=INLINE)
def _store_cached(array, index, value):
    def store(array, index, value):
        array[index] = value

    return store


# Bits and numbers


def _llvm_call(builder: ir.IRBuilder, name: str, args: list[ir.Value], overloads: list[ir.Type]) -> ir.Value:
    function_type = ir.FunctionType(args[0].type, [value.type for value in args])
    return builder.call(builder.module.declare_intrinsic(name, overloads, function_type), args)


@intrinsic
def _popc(typing_context, x):
    def codegen(context, builder, signature, args):
        return builder.ctpop(args[0])

    return x(x), codegen


@overload(_stubs.popc, jit_options=INLINE)
def _popc_overload(x):
    return (lambda x: _popc(x)) if isinstance(x, types.Integer) else None


@overload_method(types.Integer, "bit_count", jit_options=INLINE)
def _bit_count(x):
    return lambda x: _popc(x)


@intrinsic
def _clz(typing_context, x):
    def codegen(context, builder, signature, args):
        return builder.ctlz(args[0], cgutils.false_bit)

    return x(x), codegen


@overload(_stubs.clz, jit_options=INLINE)
def _clz_overload(x):
    return (lambda x: _clz(x)) if isinstance(x, types.Integer) else None


@intrinsic
def _ffs(typing_context, x):
    """The place of the lowest set bit, from 1; 0 for 0. A uint64 for 64 bits, else uint32, as in numba-cuda."""
    result = types.uint64 if x == types.uint64 else types.uint32

    def codegen(context, builder, signature, args):
        value = args[0]
        place = builder.add(builder.cttz(value, cgutils.false_bit), ir.Constant(value.type, 1))
        found = builder.select(cgutils.is_null(builder, value), ir.Constant(value.type, 0), place)
        wanted = context.get_value_type(result)
        return builder.zext(found, wanted) if value.type.width < wanted.width else builder.trunc(found, wanted)

    return result(x), codegen


@overload(_stubs.ffs, jit_options=INLINE)
def _ffs_overload(x):
    return (lambda x: _ffs(x)) if isinstance(x, types.Integer) else None


@intrinsic
def _brev(typing_context, x):
    result = types.uint64 if x.bitwidth == 64 else types.uint32

    def codegen(context, builder, signature, args):
        value = context.cast(builder, args[0], x, result)
        return _llvm_call(builder, "llvm.bitreverse", [value], [value.type])

    return result(x), codegen


@overload(_stubs.brev, jit_options=INLINE)
def _brev_overload(x):
    return (lambda x: _brev(x)) if isinstance(x, types.Integer) else None


@overload(_stubs.selp, jit_options=INLINE)
def _selp(test, a, b):
    return lambda test, a, b: a if test else b


@intrinsic
def _fma(typing_context, a, b, c):
    result = types.float32 if a == b == c == types.float32 else types.float64

    def codegen(context, builder, signature, args):
        values = [
            context.cast(builder, value, given, result) for value, given in zip(args, signature.args, strict=True)
        ]
        return _llvm_call(builder, "llvm.fma", values, [values[0].type])

    return result(a, b, c), codegen


@overload(_stubs.fma, jit_options=INLINE)
def _fma_overload(a, b, c):
    numbers = all(isinstance(given, types.Number) and given not in types.complex_domain for given in (a, b, c))
    return (lambda a, b, c: _fma(a, b, c)) if numbers else None


@overload(_stubs.cbrt, jit_options=INLINE)
def _cbrt(x):
    if not isinstance(x, types.Float | types.Integer):
        return None
    if x == types.float32:
        return lambda x: np.float32(cube_root(x))
    return lambda x: cube_root(x)
