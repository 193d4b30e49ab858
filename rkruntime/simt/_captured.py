"""Device arrays that a kernel refers to by name: it reads and writes their memory, as no constant could."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.np import numpy_support
from numba.np.arrayobj import make_array, populate_array

from rkruntime.simt._numba import intrinsic, types
from rkruntime.simt._stand_ins import StandIn

__all__ = ("captured",)

WORD = ir.IntType(64)


def captured(found: Any) -> StandIn | None:
    """Return what a kernel calls, without arguments, for a device array; None where `found` is none."""
    interface = None if isinstance(found, type) else getattr(found, "__cuda_array_interface__", None)
    if interface is None:
        return None
    dtype = np.dtype(getattr(found, "dtype", None) or interface["typestr"])
    address, read_only = interface["data"]
    shape = tuple(interface["shape"])
    in_rows = tuple(dtype.itemsize * math.prod(shape[k + 1 :]) for k in range(len(shape)))
    strides = tuple(interface.get("strides") or in_rows)
    flags = np.lib.stride_tricks.as_strided(np.empty(1, dtype), shape, strides).flags
    layout = "C" if flags.c_contiguous else "F" if flags.f_contiguous else "A"
    array_type = types.Array(numpy_support.from_dtype(dtype), len(shape), layout, readonly=bool(read_only))

    @intrinsic
    def array_at(typing_context):
        def codegen(context, builder, signature, args):
            array = make_array(array_type)(context, builder)
            populate_array(
                array,
                data=builder.inttoptr(WORD(address), array.data.type),
                shape=cgutils.pack_array(builder, [WORD(one) for one in shape], ty=WORD),
                strides=cgutils.pack_array(builder, [WORD(one) for one in strides], ty=WORD),
                itemsize=WORD(dtype.itemsize),
                meminfo=None,
            )
            return array._getvalue()

        return array_type(), codegen

    array_at.keeps = found  # its memory lives as long as the kernel
    why = "its memory is known when the kernel is compiled"
    return StandIn("a device array that the kernel refers to", array_at, cacheable=False, why=why)
