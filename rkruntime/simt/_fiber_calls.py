"""Calls that cross stacks: the first call on a new stack, and a call whose error is kept instead of raised."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

__all__ = ("FiberContext", "call_catching", "context_of", "entry_of", "raise_kept", "record_of")

WORD = ir.IntType(64)


class FiberContextType(types.Type):
    """The hidden first parameter of a kernel's body in this lowering: the address of the thread's record."""

    def __init__(self) -> None:
        super().__init__(name="FiberContext")


FiberContext = FiberContextType()


@register_model(FiberContextType)
class _FiberContextModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, dmm, fe_type):  # type: ignore[no-untyped-def]
        super().__init__(dmm, fe_type, WORD)


@intrinsic
def record_of(typing_context, ctx):  # type: ignore[no-untyped-def]
    """Return the address of the thread's record."""
    if ctx != FiberContext:
        return None
    return types.int64(ctx), lambda context, builder, signature, args: args[0]


@intrinsic
def context_of(typing_context, record):  # type: ignore[no-untyped-def]
    """Make the context of the thread whose record is at that address."""
    return FiberContext(types.int64), lambda context, builder, signature, args: args[0]


@intrinsic(prefer_literal=False)
def entry_of(typing_context, function, args):  # type: ignore[no-untyped-def]
    """Make `function(record, args)` callable on a new stack.

    Returns:
        The address of a C function of one parameter, the thread's record; and the address of a copy of `args`, which
        lives as long as the caller's frame. That address is to be put into word ARGUMENTS of the block's record.
    """
    from rkruntime.simt._fiber_records import ARGUMENTS, BLOCK

    signature = types.UniTuple(types.int64, 2)(function, args)

    def codegen(context, builder, sig, values):  # type: ignore[no-untyped-def]
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


@intrinsic(prefer_literal=False)
def call_catching(typing_context, function, ctx, args):  # type: ignore[no-untyped-def]
    """Call `function(ctx, *args)` and return its status and the address of its exception, (0, 0) where all is well."""
    arg_types = (ctx, *args.types)
    signature = types.UniTuple(types.int64, 2)(function, ctx, args)
    function.get_call_type(typing_context, arg_types, {})

    def codegen(context, builder, sig, values):  # type: ignore[no-untyped-def]
        inner_signature = function.get_call_type(typing_context, arg_types, {})
        compiled = function.dispatcher.get_compile_result(inner_signature)
        context.add_linking_libs([compiled.library])
        arguments = [values[1], *(builder.extract_value(values[2], k) for k in range(len(args.types)))]
        status, _ = context.call_internal_no_propagate(builder, compiled.fndesc, inner_signature, arguments)
        zero = ir.Constant(WORD, 0)
        code = builder.select(status.is_error, builder.sext(status.code, WORD), zero)
        exception = builder.select(status.is_error, builder.ptrtoint(status.excinfoptr, WORD), zero)
        return context.make_tuple(builder, sig.return_type, [code, exception])

    return signature, codegen


@intrinsic
def raise_kept(typing_context, code, exception):  # type: ignore[no-untyped-def]
    """Raise, in the caller, an error that `call_catching` returned; go on if the status says all is well."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        convention = context.call_conv
        from numba.core.callconv import excinfo_ptr_t

        code32 = builder.trunc(args[0], ir.IntType(32))
        status = convention._get_return_status(builder, code32, builder.inttoptr(args[1], excinfo_ptr_t))
        with cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


def _load(builder: ir.IRBuilder, record: ir.Value, word: int) -> ir.Value:
    address = builder.add(record, ir.Constant(WORD, 8 * word))
    return builder.load(builder.inttoptr(address, WORD.as_pointer()))
