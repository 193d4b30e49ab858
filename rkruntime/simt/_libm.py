"""Calls of the C library's mathematics, typed as CUDA types its own."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numba.core.compiler
from llvmlite import ir
from numba.core import cgutils

from rkruntime.simt._numba import intrinsic

__all__ = ("c_function", "compiled_as", "llvm_function", "typed")

# Numba declares it with slots that do not name what it has.
Flags: Any = numba.core.compiler.Flags
Codegen = Callable[[Any, ir.IRBuilder, Any, Sequence[ir.Value]], ir.Value]


def typed(codegen: Codegen, result: Any, *parameters: Any) -> Any:
    """Make a function for kernels from how it is compiled; arguments are converted to the types of the parameters."""
    signature = result(*parameters)

    def none(typing_context):
        return signature, codegen

    def one(typing_context, a):
        return signature, codegen

    def two(typing_context, a, b):
        return signature, codegen

    def three(typing_context, a, b, c):
        return signature, codegen

    return intrinsic((none, one, two, three)[len(parameters)])


@functools.cache
def c_function(name: str, result: Any, *parameters: Any) -> Any:
    """Make a function of the C library callable in kernels."""

    def codegen(context, builder, signature, args):
        kinds = [context.get_value_type(one) for one in parameters]
        function_type = ir.FunctionType(context.get_value_type(result), kinds)
        return builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), args)

    return typed(codegen, result, *parameters)


@functools.cache
def llvm_function(name: str, result: Any, *parameters: Any) -> Any:
    """Make an intrinsic of LLVM callable in kernels; it is overloaded by its result's type."""

    def codegen(context, builder, signature, args):
        kinds = [context.get_value_type(one) for one in parameters]
        of = context.get_value_type(result)
        function_type = ir.FunctionType(of, kinds)
        return builder.call(builder.module.declare_intrinsic(name, [of], function_type), args)

    return typed(codegen, result, *parameters)


def compiled_as(function: Callable[..., Any], result: Any, *parameters: Any) -> Any:
    """Make a Python function callable in kernels with fixed types; what it returns is converted."""

    def codegen(context, builder, signature, args):
        flags = Flags()
        flags.nrt, flags.no_compile, flags.error_model = True, True, "numpy"
        compiled = context.compile_subroutine(builder, function, signature, flags=flags)
        return context.call_internal(builder, compiled.fndesc, signature, args)

    return typed(codegen, result, *parameters)
