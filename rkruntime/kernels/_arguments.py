"""Check a launch's arguments against the kernel's parameters, and say what each needs to get to the device.

Nothing here touches a device: the answer is a list of `Passed`, one an argument.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from rkruntime.errors import ArgumentMismatch
from rkruntime.kernels._directions import DIRECTIONS, OWN, unwrap

if TYPE_CHECKING:
    from rkruntime.kernels._spec import KernelSpec

__all__ = ("NOT_DIRECT", "Direct", "Passed", "bind", "describe", "is_plain", "read_direct", "writable_alias")

Direct: TypeAlias = tuple[Any, Sequence[Any], Sequence[Any]]
NOT_DIRECT: Direct = (None, (), ())
SCALARS = (bool, int, float, complex, np.generic)
KINDS = "biufcmMV"
WRITEABLE = 0x400
LAYOUT = 0x1 | 0x2 | 0x100
"""C order, Fortran order, aligned: bits of `ndarray.flags.num`, by NumPy's C API (NPY_ARRAY_C_CONTIGUOUS, ...)."""
ADVICE: dict[type, str] = {
    list: "give a NumPy array: np.asarray(values, np.float32)",
    str: "kernels take numbers and arrays; give the text as an array of its bytes",
    dict: "give each array as an argument of its own",
    type(None): "give an array or a number; an optional argument needs a kernel of its own",
}


class Passed:
    """One argument on its way to the device.

    Args:
        name: The parameter it is for.
        value: A scalar, a tuple, a host array, a device array, or a foreign array on the GPU.
        direction: `in`, `out` or `inout`.
        kind: `plain` (passed by value), `host`, `pooled` or `foreign`.
    """

    __slots__ = ("direction", "kind", "name", "value")

    def __init__(self, name: str, value: Any, direction: str, kind: str) -> None:
        self.name = name
        self.value = value
        self.direction = direction
        self.kind = kind


def bind(spec: KernelSpec, args: Sequence[Any]) -> list[Passed]:
    """Match arguments to parameters.

    Raises:
        ArgumentMismatch: One is missing, too many, or nothing that a kernel can take.
    """
    return [_pass(spec, name, argument) for name, argument in zip(spec.parameters, _fill(spec, args), strict=True)]


def is_plain(value: Any) -> bool:
    """Whether a kernel takes the argument by value: a number, or a tuple of such."""
    return isinstance(value, SCALARS) or (isinstance(value, tuple) and all(is_plain(each) for each in value))


def read_direct(args: Sequence[Any], host_accessible: bool) -> Direct:
    """Read arguments without checking or copying any: for launches like one that was checked before.

    Returns:
        What the compiled kernel depends on (the same means the same types, and that the arguments are good), or None
        where one may have to be copied or refused; what the device takes, in order; the device arrays among that.
    """
    parts: list[Any] = []
    values: list[Any] = []
    pooled: list[Any] = []
    part: Any
    for argument in args:
        kind = type(argument)
        value, direction = argument, OWN.get(kind)
        if direction is not None:
            value = argument.value
        elif kind.__name__ in DIRECTIONS:
            value, direction = unwrap(argument)
        if isinstance(value, np.ndarray):
            flags = value.flags.num
            usable = host_accessible and flags & WRITEABLE
            part = (direction == "in", value.dtype, value.ndim, flags & LAYOUT) if usable else None
        elif hasattr(value, "touch") and hasattr(value, "view"):
            pooled.append(value)
            part = (value.dtype, len(value.shape))
            value = value.view
        else:
            part = None if direction else _type_key(value)
        if part is None:
            return NOT_DIRECT
        parts.append(part)
        values.append(value)
    return tuple(parts), values, pooled


def _type_key(value: Any) -> Any:
    kind = type(value)
    if kind is float or kind is bool or kind is complex:
        return kind
    if kind is int:
        return int if -(2**63) <= value < 2**63 else "uint64" if 0 <= value < 2**64 else None
    if isinstance(value, np.generic):
        return value.dtype
    if isinstance(value, tuple):
        parts = tuple(_type_key(each) for each in value)
        return None if None in parts else (kind, parts)
    return None


def writable_alias(array: Any) -> Any:
    """View a read-only host array as a writable one: for kernels that are known not to store to it."""
    return np.asarray(_Alias(array))


def describe(value: Any) -> str:
    """Say what an argument is: its type, and dtype and shape where it has them."""
    kind = type(value).__name__
    if hasattr(value, "dtype") and hasattr(value, "shape") and not isinstance(value, np.generic):
        return f"{kind} of dtype {value.dtype}, shape {tuple(value.shape)}"
    text = repr(value)
    return f"{kind} {text if len(text) <= 60 else text[:57] + '...'}"


class _Alias:
    """Holds the array, and says that its memory may be written."""

    def __init__(self, array: Any) -> None:
        self._array = array
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface


def _fill(spec: KernelSpec, args: Sequence[Any]) -> Sequence[Any]:
    wanted, given = len(spec.parameters), len(args)
    if given == wanted:
        return args
    takes = f"{wanted} arguments: {spec.signature}"
    if given > wanted:
        extra = describe(unwrap(args[wanted])[0])
        raise ArgumentMismatch(
            spec.name,
            f"number {wanted + 1}",
            f"{given} arguments, the first too many being {extra}",
            takes,
            f"leave out the last {given - wanted}",
        )
    missing = spec.parameters[given:]
    if len(missing) > len(spec.defaults):
        absent = missing[: len(missing) - len(spec.defaults)]
        raise ArgumentMismatch(
            spec.name, absent[0], f"nothing ({given} arguments)", takes, f"give {', '.join(absent)} too, in this order"
        )
    return [*args, *spec.defaults[len(spec.defaults) - len(missing) :]]


def _pass(spec: KernelSpec, name: str, argument: Any) -> Passed:
    value, direction = unwrap(argument)
    if isinstance(value, np.ndarray):
        _check_dtype(spec, name, value)
        return Passed(name, value, direction or "inout", "host")
    if hasattr(value, "view") and hasattr(value, "touch"):
        return Passed(name, value, "inout", "pooled")
    if hasattr(value, "__cuda_array_interface__"):
        return Passed(name, value, "inout", "foreign")
    if direction in ("out", "inout"):
        mend = f"give a NumPy array, or the value alone where {name} is only read"
        raise ArgumentMismatch(spec.name, name, f"{direction} of {describe(value)}", "an array to write to", mend)
    if is_plain(value):
        _check_range(spec, name, value)
        return Passed(name, value, "in", "plain")
    raise ArgumentMismatch(
        spec.name,
        name,
        describe(value),
        "a number, a tuple of numbers, a NumPy array or a device array",
        _advice(value),
    )


def _check_dtype(spec: KernelSpec, name: str, value: Any) -> None:
    dtype = value.dtype
    if dtype.kind not in KINDS or dtype.hasobject or not dtype.itemsize:
        mend = f"make it numbers first: {name}.astype(np.float64)"
        raise ArgumentMismatch(spec.name, name, describe(value), "an array of numbers, or of records of them", mend)
    if not dtype.isnative:
        mend = f"bring it to this machine's byte order: {name}.astype({name}.dtype.newbyteorder('='))"
        raise ArgumentMismatch(spec.name, name, describe(value), "an array in this machine's byte order", mend)


def _check_range(spec: KernelSpec, name: str, value: Any) -> None:
    if type(value) is int and not -(2**63) <= value < 2**64:
        raise ArgumentMismatch(spec.name, name, describe(value), "an int of 64 bits", f"give {name} as a float")


def _advice(value: Any) -> str:
    for kind, advice in ADVICE.items():
        if isinstance(value, kind):
            return advice
    if isinstance(value, tuple):
        return "give arrays as arguments of their own; tuples hold numbers"
    return "give a NumPy array (np.asarray), or a number"
