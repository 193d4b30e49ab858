"""Hold a launch to the signatures that a kernel's author declared: `@cuda.jit("void(float32, float32[:])")`.

On CUDA such a kernel is compiled for these types alone, and numbers are converted to them. The same holds here on
every device, so that a file gives the same result with and without a GPU.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np

from rkruntime.errors import ArgumentMismatch
from rkruntime.kernels._arguments import describe, is_plain
from rkruntime.kernels._directions import unwrap

__all__ = ("Declared", "Slot", "as_declared", "read_slots")

NUMBER = re.compile(r"(u?int|float|complex)\d+|bool")
MEND = "give the declared type (x.astype(np.float32)), or leave the signature out of @cuda.jit"


@attrs.frozen
class Slot:
    """What a signature says of one parameter.

    Args:
        dtype: Of the number, or of the array's elements; None where any is taken.
        axes: The array's number of axes, 0 for a number; None for neither, which is not looked at.
    """

    dtype: np.dtype[Any] | None
    axes: int | None

    def __str__(self) -> str:
        if not self.axes:
            return str(self.dtype)
        return f"{self.dtype or 'record'}[{','.join(':' * self.axes)}]"


Declared: TypeAlias = tuple[Slot, ...]


def read_slots(types: Sequence[Any]) -> Declared:
    """Turn the argument types of a signature, as numba has them, into slots."""
    return tuple(_slot(each) for each in types)


def as_declared(
    kernel: str, parameters: Sequence[str], declared: Sequence[Declared], args: Sequence[Any]
) -> tuple[Any, ...]:
    """Return the arguments with numbers in the types that the kernel's author declared.

    Of several signatures, the first counts whose arrays fit and that converts the fewest numbers.

    Raises:
        ArgumentMismatch: No signature takes the arguments.
    """
    fitting = [slots for slots in declared if _misfit(slots, args) is None]
    if fitting:
        best = min(fitting, key=lambda slots: _conversions(slots, args))
        return tuple(_convert(slot, argument) for slot, argument in zip(best, args, strict=True))
    at = max(_misfit(slots, args) or 0 for slots in declared)  # where the signature that goes furthest ends
    told = " or ".join(f"({', '.join(map(str, slots))})" for slots in declared)
    wanted = f"what its signature declares: {told}"
    raise ArgumentMismatch(kernel, parameters[at], describe(unwrap(args[at])[0]), wanted, MEND)


def _slot(kind: Any) -> Slot:
    if hasattr(kind, "ndim") and hasattr(kind, "dtype"):
        return Slot(_dtype(kind.dtype), int(kind.ndim))
    dtype = _dtype(kind)
    return Slot(dtype, None if dtype is None else 0)


def _dtype(kind: Any) -> np.dtype[Any] | None:
    name = str(kind).replace("boolean", "bool")
    return np.dtype(name) if NUMBER.fullmatch(name) else None


def _misfit(slots: Declared, args: Sequence[Any]) -> int | None:
    """Return the position of the first argument that does not fit, if there is one."""
    for position, (slot, argument) in enumerate(zip(slots, args, strict=True)):
        if not _fits(slot, unwrap(argument)[0]):
            return position
    return None


def _fits(slot: Slot, value: Any) -> bool:
    if slot.axes is None:
        return True
    if slot.axes == 0:
        return is_plain(value) and not isinstance(value, tuple) and _converts(slot, value)
    if not hasattr(value, "dtype") or isinstance(value, np.generic):
        return hasattr(value, "__cuda_array_interface__")
    return (slot.dtype is None or value.dtype == slot.dtype) and len(value.shape) == slot.axes


def _converts(slot: Slot, value: Any) -> bool:
    """Whether a number keeps its meaning: floats may be rounded, whole numbers may not change."""
    assert slot.dtype is not None
    if slot.dtype.kind == "c" or isinstance(value, complex | np.complexfloating):
        return slot.dtype.kind == "c"
    if slot.dtype.kind == "f":
        return True
    if slot.dtype.kind == "b":
        return isinstance(value, bool | np.bool_) or value in (0, 1)
    limits = np.iinfo(slot.dtype)
    return bool(limits.min <= value <= limits.max and value == int(value))


def _conversions(slots: Declared, args: Sequence[Any]) -> int:
    return sum(slot.axes == 0 and slot.dtype != np.asarray(arg).dtype for slot, arg in zip(slots, args, strict=True))


def _convert(slot: Slot, argument: Any) -> Any:
    if slot.axes != 0 or slot.dtype is None:
        return argument
    return slot.dtype.type(unwrap(argument)[0])
