"""Calls that cross stacks: the first call on a new stack, and a call whose error is kept instead of raised."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001, ARG005
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.callconv import excinfo_ptr_t
from numba.extending import models, register_model

from rkruntime.simt._fiber_records import ARGUMENTS, BLOCK
from rkruntime.simt._seam import BODY, FRAME, declared
from rkruntime.simt._switch import machine_code

__all__ = ("FiberContext", "call_catching", "context_of", "entry_of", "raise_kept", "record_of")

WORD = ir.IntType(64)


class FiberContextType(types.Type):
    """The hidden first parameter of a kernel's body in this lowering: the address of the thread's record."""

    def __init__(self) -> None:
        super().__init__(name="FiberContext")


FiberContext = FiberContextType()


@register_model(FiberContextType)
class _FiberContextModel(models.PrimitiveModel):
    def __init__(self, dmm: Any, fe_type: Any) -> None:
        super().__init__(dmm, fe_type, WORD)


@machine_code
def record_of(typing_context: Any, ctx: Any) -> Any:
    """Return the address of the thread's record."""
    if ctx != FiberContext:
        return None
    return types.int64(ctx), lambda context, builder, signature, args: args[0]


@machine_code
def context_of(typing_context: Any, record: Any) -> Any:
    """Make the context of the thread whose record is at that address."""
    return FiberContext(types.int64), lambda context, builder, signature, args: args[0]


@machine_code
def entry_of(typing_context: Any, function: Any, args: Any) -> Any:
    """Make `function(record, args)` callable on a new stack.

    Returns:
        The address of a C function of one parameter, the thread's record; and the address of a copy of `args`, which
        lives as long as the caller's frame. That address is to be put into word ARGUMENTS of the block's record.
    """
    signature = types.UniTuple(types.int64, 2)(function, args)

    def codegen(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        slot = cgutils.alloca_once_value(builder, values[1])
        inner_signature = function.get_call_type(typing_context, (types.int64, args), {})
        compiled = function.dispatcher.get_compile_result(inner_signature)
        context.add_linking_libs([compiled.library])
        name = context.mangler("rk_first_frame", [args], abi_tags=(), uid=id(compiled) & 0xFFFFFF)
        first = ir.Function(builder.module, ir.FunctionType(ir.VoidType(), [WORD]), name=name)
        first.linkage = "internal"
        inner = ir.IRBuilder(first.append_basic_block("entry"))
        record = first.args[0]
        saved = _load(inner, _load(inner, record, BLOCK), ARGUMENTS)
        arguments = inner.load(inner.inttoptr(saved, slot.type))
        context.call_internal_no_propagate(inner, compiled.fndesc, inner_signature, [record, arguments])
        inner.unreachable()
        return context.make_tuple(builder, sig.return_type, [builder.ptrtoint(p, WORD) for p in (first, slot)])

    return signature, codegen


@machine_code
def call_catching(typing_context: Any, ctx: Any, frame: Any) -> Any:
    """Run the kernel's body; return its status and the address of its exception, (0, 0) where all is well."""
    signature = types.UniTuple(types.int64, 2)(ctx, FRAME)

    def codegen(context: Any, builder: Any, sig: Any, values: Any) -> Any:
        body = declared(context, builder.module, BODY, types.none, sig.args)
        status, _ = context.call_conv.call_function(builder, body, types.none, sig.args, values)
        zero = ir.Constant(WORD, 0)
        code = builder.select(status.is_error, builder.sext(status.code, WORD), zero)
        exception = builder.select(status.is_error, builder.ptrtoint(status.excinfoptr, WORD), zero)
        return context.make_tuple(builder, sig.return_type, [code, exception])

    return signature, codegen


@machine_code
def raise_kept(typing_context: Any, code: Any, exception: Any) -> Any:
    """Raise, in the caller, an error that `call_catching` returned; go on if the status says all is well."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        convention = context.call_conv
        code32 = builder.trunc(args[0], ir.IntType(32))
        status = convention._get_return_status(builder, code32, builder.inttoptr(args[1], excinfo_ptr_t))
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def _load(builder: ir.IRBuilder, record: ir.Value, word: int) -> ir.Value:
    address = builder.add(record, ir.Constant(WORD, 8 * word))
    return builder.load(builder.inttoptr(address, WORD.as_pointer()))
