"""CUDA's short vectors, such as `cuda.float32x2`: here named tuples of numbers of one type.

They are made of numbers and of shorter vectors, and have components `x`, `y`, `z`, `w` (CUDA C++ Programming Guide,
Built-in Vector Types).
"""

# numba passes parameters whether they are of use or not, and types little of what it has us call:
# ruff: noqa: ARG001
# mypy: disable-error-code="no-untyped-call,no-untyped-def,unused-ignore"

from __future__ import annotations

import functools
import re
from collections import namedtuple
from typing import Any

from numba.core import cgutils
from numba.core.errors import TypingError

from rkruntime.simt._numba import intrinsic, overload, types
from rkruntime.simt._parts import INLINE

__all__ = ("stand_in",)

AXES = "xyzw"


@functools.cache
def stand_in(name: str) -> Any:
    """Return the constructor of a vector type such as `float32x2`, or None where that is none."""
    found = re.fullmatch(r"(u?int\d+|float\d+)x([1-4])", name)
    if found is None:
        return None
    element, count = getattr(types, found[1]), int(found[2])
    vector = types.NamedUniTuple(element, count, namedtuple(name, tuple(AXES[:count])))

    @intrinsic
    def make(typing_context, given):
        parts = [part for one in given for part in (tuple(one) if isinstance(one, types.BaseTuple) else (one,))]
        if len(parts) != count or not all(isinstance(part, types.Number | types.Boolean) for part in parts):
            raise TypingError(f"cuda.{name} is made of {count} numbers, not of {', '.join(map(str, given))}")

        def codegen(context, builder, signature, args):
            values = []
            for k, one in enumerate(given):
                value = builder.extract_value(args[0], k)
                inner = tuple(one) if isinstance(one, types.BaseTuple) else (one,)
                loose = (
                    cgutils.unpack_tuple(builder, value, len(inner)) if isinstance(one, types.BaseTuple) else [value]
                )
                values += [context.cast(builder, part, kind, element) for part, kind in zip(loose, inner, strict=True)]
            return context.make_tuple(builder, vector, values)

        return vector(given), codegen

    def constructor(*parts): ...

    @overload(constructor, jit_options=INLINE)
    def define(*parts):
        return lambda *parts: make(parts)

    return constructor
