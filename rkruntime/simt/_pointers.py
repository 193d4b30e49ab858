"""Pointers as arguments of kernels, where a declared signature asks for one (`types.CPointer`)."""

# numba types little of what it calls:
# mypy: disable-error-code="no-untyped-call,no-any-return,untyped-decorator,unused-ignore"

from __future__ import annotations

from typing import Any

from numba.core import cgutils
from numba.core.typing.typeof import typeof_impl
from numba.extending import NativeValue, unbox

from rkruntime.simt._numba import types

__all__ = ("Pointer",)


class Pointer(int):
    """The address of an array's first element, as an argument of a kernel.

    Args:
        address: In bytes.
        kind: The numba type of the pointer, which names the type of the elements.
    """

    kind: Any

    def __new__(cls, address: int, kind: Any) -> Pointer:
        """Make an int that knows what it points to."""
        made = super().__new__(cls, address)
        made.kind = kind
        return made


@typeof_impl.register(Pointer)  # type: ignore[attr-defined]
def _type_of_pointer(value: Pointer, _context: Any) -> Any:
    return value.kind


@unbox(types.CPointer)
def _unbox_pointer(kind: Any, value: Any, c: Any) -> Any:
    address = c.pyapi.long_as_voidptr(value)
    pointer = c.builder.bitcast(address, c.context.get_value_type(kind))
    return NativeValue(pointer, is_error=cgutils.is_not_null(c.builder, c.pyapi.err_occurred()))
