"""Atomic operations on elements of arrays: LLVM's own where it has them, else a loop of compare-and-exchange.

All are sequentially consistent, which is at least what CUDA promises. Each returns the old value. An index is an
integer or a tuple of them, one a dimension; a negative one counts from the end, as in every subscript.
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils
from numba.core.errors import NumbaTypeError
from numba.np.arrayobj import make_array

from rkruntime.simt import _stubs
from rkruntime.simt._numba import intrinsic, overload, types
from rkruntime.simt._parts import INLINE

ORDER = "seq_cst"
INTEGERS = (types.int32, types.int64, types.uint32, types.uint64)
UNSIGNED = (types.uint32, types.uint64)
NUMBERS = (*INTEGERS, types.float32, types.float64)

Combine = Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]


def _place(context: Any, builder: ir.IRBuilder, array_type: Any, array: ir.Value, index: Any, at: Any) -> ir.Value:
    """Return the address of one element; `index` is its type and `at` its value."""
    if isinstance(index, types.BaseTuple):
        places = cgutils.unpack_tuple(builder, at, len(index))
        indices = [
            context.cast(builder, place, given, types.intp) for place, given in zip(places, tuple(index), strict=True)
        ]
    else:
        indices = [context.cast(builder, at, index, types.intp)]
    view = make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, array_type, view, indices, wraparound=True)


def _check(name: str, array: Any, index: Any, allowed: tuple[Any, ...]) -> None:
    """Refuse what the operation does not take, in words that name it."""
    if not isinstance(array, types.Array):
        raise NumbaTypeError(f"cuda.atomic.{name} works on arrays, and this is {array}")
    if not array.mutable:
        raise NumbaTypeError(f"cuda.atomic.{name}: the array is read-only")
    if array.dtype not in allowed:
        raise NumbaTypeError(f"cuda.atomic.{name} takes {', '.join(map(str, allowed))}, and this is {array.dtype}")
    given = tuple(index) if isinstance(index, types.BaseTuple) else (index,)
    if len(given) != array.ndim or not all(isinstance(one, types.Integer) for one in given):
        raise NumbaTypeError(f"cuda.atomic.{name}: an array of {array.ndim} dimensions cannot be indexed by {index}")


def _exchange_loop(builder: ir.IRBuilder, pointer: ir.Value, value: ir.Value, combine: Combine) -> ir.Value:
    """Replace the element by combine(old, value) in one step, however long others interfere; return the old one."""
    bits = ir.IntType(64 if value.type in (ir.DoubleType(), ir.IntType(64)) else 32)
    raw = builder.bitcast(pointer, bits.as_pointer())
    first = builder.load_atomic(raw, "monotonic", bits.width // 8, typ=bits)
    start, again, done = builder.block, builder.append_basic_block("again"), None
    builder.branch(again)
    builder.position_at_end(again)
    seen = builder.phi(bits)
    seen.add_incoming(first, start)
    wanted = builder.bitcast(combine(builder, builder.bitcast(seen, value.type), value), bits)
    answer = builder.cmpxchg(raw, seen, wanted, ORDER, ORDER)
    found, swapped = builder.extract_value(answer, 0), builder.extract_value(answer, 1)
    seen.add_incoming(found, builder.block)
    done = builder.append_basic_block("done")
    builder.cbranch(swapped, done, again)
    builder.position_at_end(done)
    return builder.bitcast(seen, value.type)


def _native(operation: str) -> Callable[..., ir.Value]:
    return lambda builder, pointer, value, dtype: builder.atomic_rmw(operation, pointer, value, ORDER)


def _looped(make: Callable[[Any], Combine]) -> Callable[..., ir.Value]:
    return lambda builder, pointer, value, dtype: _exchange_loop(builder, pointer, value, make(dtype))


def _by_type(integer: Callable[..., ir.Value], real: Callable[..., ir.Value]) -> Callable[..., ir.Value]:
    def emit(builder, pointer, value, dtype):
        return (real if isinstance(dtype, types.Float) else integer)(builder, pointer, value, dtype)

    return emit


def _add(builder: ir.IRBuilder, old: ir.Value, value: ir.Value) -> ir.Value:
    return builder.fadd(old, value)


def _sub(builder: ir.IRBuilder, old: ir.Value, value: ir.Value) -> ir.Value:
    return builder.fsub(old, value)


def _wrapping_inc(builder: ir.IRBuilder, old: ir.Value, value: ir.Value) -> ir.Value:
    """0 once the old value has reached `value`, else one more."""
    more = builder.add(old, ir.Constant(old.type, 1))
    return builder.select(builder.icmp_unsigned(">=", old, value), ir.Constant(old.type, 0), more)


def _wrapping_dec(builder: ir.IRBuilder, old: ir.Value, value: ir.Value) -> ir.Value:
    """`value` where the old one is 0 or above `value`, else one less."""
    zero = ir.Constant(old.type, 0)
    wraps = builder.or_(builder.icmp_unsigned("==", old, zero), builder.icmp_unsigned(">", old, value))
    return builder.select(wraps, value, builder.sub(old, ir.Constant(old.type, 1)))


def _extreme(sign: str, skip_nan: bool) -> Callable[[Any], Combine]:
    """Return the larger (`>`) or smaller of two numbers.

    numba-cuda: a NaN in the array stays, and a NaN value is not stored, but for the nan variants, where a NaN in the
    array gives way to the value.
    """

    def make(dtype: Any) -> Combine:
        def combine(builder: ir.IRBuilder, old: ir.Value, value: ir.Value) -> ir.Value:
            better = builder.fcmp_ordered(sign, value, old)
            if skip_nan:
                better = builder.or_(better, builder.fcmp_unordered("uno", old, old))
            return builder.select(better, value, old)

        return combine

    return make


def _integer_extreme(name: str) -> Callable[..., ir.Value]:
    def emit(builder, pointer, value, dtype):
        return builder.atomic_rmw(name if dtype.signed else "u" + name, pointer, value, ORDER)

    return emit


def _exchange(builder: ir.IRBuilder, pointer: ir.Value, value: ir.Value, dtype: Any) -> ir.Value:
    bits = ir.IntType(dtype.bitwidth)
    raw = builder.bitcast(pointer, bits.as_pointer())
    return builder.bitcast(builder.atomic_rmw("xchg", raw, builder.bitcast(value, bits), ORDER), value.type)


# name: (stub, element types, how)
_OPERATIONS: dict[str, tuple[Any, tuple[Any, ...], Callable[..., ir.Value]]] = {
    "add": (_stubs.atomic_add, NUMBERS, _by_type(_native("add"), _looped(lambda dtype: _add))),
    "sub": (_stubs.atomic_sub, NUMBERS, _by_type(_native("sub"), _looped(lambda dtype: _sub))),
    "and_": (_stubs.atomic_and, INTEGERS, _native("and")),
    "or_": (_stubs.atomic_or, INTEGERS, _native("or")),
    "xor": (_stubs.atomic_xor, INTEGERS, _native("xor")),
    "inc": (_stubs.atomic_inc, UNSIGNED, _looped(lambda dtype: _wrapping_inc)),
    "dec": (_stubs.atomic_dec, UNSIGNED, _looped(lambda dtype: _wrapping_dec)),
    "exch": (_stubs.atomic_exch, NUMBERS, _exchange),
    "max": (_stubs.atomic_max, NUMBERS, _by_type(_integer_extreme("max"), _looped(_extreme(">", False)))),
    "min": (_stubs.atomic_min, NUMBERS, _by_type(_integer_extreme("min"), _looped(_extreme("<", False)))),
    "nanmax": (_stubs.atomic_nanmax, NUMBERS, _by_type(_integer_extreme("max"), _looped(_extreme(">", True)))),
    "nanmin": (_stubs.atomic_nanmin, NUMBERS, _by_type(_integer_extreme("min"), _looped(_extreme("<", True)))),
}


def _define(name: str, stub: Any, allowed: tuple[Any, ...], emit: Callable[..., ir.Value]) -> None:
    """Give one read-modify-write operation its meaning."""

    @intrinsic
    def operate(typing_context, array, index, value):
        dtype = array.dtype

        def codegen(context, builder, signature, args):
            pointer = _place(context, builder, array, args[0], index, args[1])
            return emit(builder, pointer, args[2], dtype)

        return dtype(array, index, dtype), codegen

    @overload(stub, jit_options=INLINE)
    def define(array, index, value):
        _check(name, array, index, allowed)
        return lambda array, index, value: operate(array, index, value)


for _name, _operation in _OPERATIONS.items():
    _define(_name, *_operation)


@intrinsic
def _compare_exchange(typing_context, array, index, old, value):
    dtype = array.dtype

    def codegen(context, builder, signature, args):
        pointer = _place(context, builder, array, args[0], index, args[1])
        return builder.extract_value(builder.cmpxchg(pointer, args[2], args[3], ORDER, ORDER), 0)

    return dtype(array, index, dtype, dtype), codegen


@overload(_stubs.atomic_cas, jit_options=INLINE)
def _cas(array, index, old, value):
    _check("cas", array, index, INTEGERS)
    return lambda array, index, old, value: _compare_exchange(array, index, old, value)


@overload(_stubs.atomic_compare_and_swap, jit_options=INLINE)
def _compare_and_swap(array, old, value):
    _check("compare_and_swap", array, types.intp, INTEGERS)
    return lambda array, old, value: _compare_exchange(array, 0, old, value)
