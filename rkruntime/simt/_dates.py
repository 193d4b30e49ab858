"""Global arrays of dates and times: numba cannot make constants of them, since NumPy gives nobody their memory."""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

from typing import Any

import numpy as np

from rkruntime.simt._cache import describe
from rkruntime.simt._numba import intrinsic, types
from rkruntime.simt._stand_ins import StandIn

__all__ = ("constant_dates",)


def constant_dates(found: Any) -> StandIn | None:
    """Return what a kernel calls, without arguments, for an array that holds dates or times; None for others."""
    if not isinstance(found, np.ndarray) or found.dtype.hasobject or _counted(found.dtype) == found.dtype:
        return None
    from numba import typeof

    known: Any = typeof(found)
    array_type = types.Array(known.dtype, known.ndim, known.layout, readonly=True)
    numbers = found.view(_counted(found.dtype))

    @intrinsic
    def array_of_dates(typing_context):
        def codegen(context, builder, signature, args):
            return context.make_constant_array(builder, array_type, numbers)

        return array_type(), codegen

    return StandIn(f"a constant {describe(found)}", array_of_dates)


def _counted(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return a dtype with whole numbers in the place of dates and times, each as many as it counts."""
    if dtype.kind in "mM":
        return np.dtype(np.int64).newbyteorder(dtype.byteorder)
    if dtype.subdtype is not None:
        return np.dtype((_counted(dtype.subdtype[0]), dtype.subdtype[1]))
    if dtype.fields is None:
        return dtype
    names = list(dtype.names or ())
    places = [dtype.fields[name] for name in names]
    parts = {"names": names, "formats": [_counted(one[0]) for one in places], "offsets": [one[1] for one in places]}
    return np.dtype({**parts, "itemsize": dtype.itemsize}, align=dtype.isalignedstruct)  # type: ignore[call-overload,no-any-return]
