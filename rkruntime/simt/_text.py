"""What becomes text in a kernel: numba writes the type of a real number, and not the number."""

# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from __future__ import annotations

from numba.core.errors import TypingError

from rkruntime.simt._numba import overload, types
from rkruntime.simt._parts import INLINE

__all__ = ("text",)

SHOWN = (types.Integer, types.Boolean, types.UnicodeType)


def text(x): ...


@overload(text, jit_options=INLINE)
def _text(x):
    if not isinstance(x, SHOWN):
        raise TypingError(
            f"f-strings and str() of kernels show whole numbers, truth values and text, and this is {x}: "
            "give the value itself to print, as in print('x is', x)"
        )
    return lambda x: str(x)
