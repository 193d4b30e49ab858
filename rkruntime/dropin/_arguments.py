"""Launch arguments, from what scripts pass to what compiled code takes: NumPy views of device memory, and numbers."""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from rkruntime.dropin._interface import check_interface
from rkruntime.dropin._numba import ArgHint, DeviceNDArray, In, NumbaErrors, as_dtype, config, cuda, types

__all__ = ("Sample", "converter_of", "keep_apart", "sample_of", "view_of")

HostArray = npt.NDArray[Any]
_VIEW = "_rkruntime_view"
_PYTHONS: dict[Any, type] = {types.float64: float, types.complex128: complex, types.boolean: bool}
_WHOLE = (int, np.integer, np.bool_)


class Sample:
    """Stands for an argument of which only the type is known.

    Args:
        kind: Its numba type.
    """

    def __init__(self, kind: Any) -> None:
        self._numba_type_ = kind


def view_of(array: Any) -> HostArray:
    """Return a NumPy array over the memory of a device array, or of whatever has a `__cuda_array_interface__`."""
    if not getattr(array, "__cuda_ndarray__", False):
        return _view_of_foreign(array)
    view: HostArray | None = array.__dict__.get(_VIEW)
    if view is None:
        address = array.__cuda_array_interface__["data"][0]  # which says nothing of strides of 0
        view = array.__dict__[_VIEW] = _array_at(address, array.shape, array.dtype, array.strides, False)
    return view


def _view_of_foreign(array: Any) -> HostArray:
    interface = array.__cuda_array_interface__
    check_interface(array, interface)
    address, read_only = interface["data"]
    stream = interface.get("stream")
    if stream is not None and config.CUDA_ARRAY_INTERFACE_SYNC:
        cuda.external_stream(stream).synchronize()
    dtype = getattr(array, "dtype", None) or np.dtype(interface["typestr"])
    return _array_at(address, tuple(interface["shape"]), dtype, interface.get("strides"), read_only)


def converter_of(kind: Any) -> Callable[[Any], Any]:
    """Return what turns an argument of a type into what compiled code takes.

    Args:
        kind: The numba type that the kernel was compiled for.
    """
    if isinstance(kind, types.Array):
        return _host_array
    if isinstance(kind, types.Integer | types.Float | types.Complex | types.Boolean):
        return partial(_number_unless_same, kind, _class_of(kind))
    if isinstance(kind, types.BaseTuple):
        return partial(_tuple, tuple(map(converter_of, kind.types)))
    if isinstance(kind, types.Record):
        return _host_record
    if isinstance(kind, types.CPointer):
        from rkruntime.simt._pointers import Pointer  # with the whole compiler, which arrays alone do not need

        return partial(Pointer, kind=kind)
    return _nothing if isinstance(kind, types.Dispatcher) else _unhinted


def keep_apart(args: Sequence[Any], values: list[Any], after: list[Callable[[], object]]) -> None:
    """Copy host arrays that share memory with one before them, as each is copied to a GPU and back, in order.

    Args:
        args: What the script passed.
        values: What compiled code takes; a copy takes the place of an array.
        after: Calls that follow the launch; appended to.
    """
    seen: list[HostArray] = []
    for place, (arg, value) in enumerate(zip(args, values, strict=True)):
        if type(value) is not np.ndarray or hasattr(_unhinted(arg), "__cuda_array_interface__"):
            continue
        if any(np.may_share_memory(value, other) for other in seen):
            copy = values[place] = value.copy(order="K")
            if value.flags.writeable:
                after.append(partial(np.copyto, value, copy))
        seen.append(value)


def sample_of(kind: Any) -> Any:
    """Return a value of a type, to compile for before there are arguments; arrays come in C order."""
    if isinstance(kind, types.Array):
        try:
            dtype = np.dtype(as_dtype(kind.dtype))
        except (NotImplementedError, *NumbaErrors):
            return Sample(kind)
        return np.empty((2,) * kind.ndim, dtype, order="F" if kind.layout == "F" else "C")
    if isinstance(kind, types.BaseTuple) and not isinstance(kind, types.NamedTuple | types.NamedUniTuple):
        return tuple(map(sample_of, kind.types))
    if isinstance(kind, types.Integer | types.Float | types.Complex | types.Boolean):
        return _number(kind, 0)
    return None if isinstance(kind, types.Dispatcher) else Sample(kind)


def _nothing(value: Any) -> None:
    """Pass nothing for a device function: the kernel was compiled for it."""


def _unhinted(value: Any) -> Any:
    return value.value if isinstance(value, ArgHint) else value


def _tuple(converters: Sequence[Callable[[Any], Any]], value: Any) -> Any:
    items = [convert(item) for convert, item in zip(converters, value, strict=True)]
    return type(value)(*items) if hasattr(value, "_fields") else tuple(items)


def _class_of(kind: Any) -> type | None:
    """Return the class whose numbers need no conversion; None where all do."""
    if kind == types.int64:
        return None  # Python's may be wider
    known: type | None = _PYTHONS.get(kind)
    try:
        return known or np.dtype(kind.name).type
    except TypeError:  # NumPy has no such numbers
        return np.generic


def _number_unless_same(kind: Any, same: type | None, value: Any) -> Any:
    return value if type(value) is same else _number(kind, value)


def _number(kind: Any, value: Any) -> Any:
    """Convert a number to the type that the kernel was compiled for, as a launch on CUDA does.

    Raises:
        TypeError: It is none, or a real one where the kernel takes whole ones.
    """
    if isinstance(value, str | bytes) or (kind == types.boolean and not isinstance(value, _WHOLE)):
        raise TypeError(f"{value!r} is no {kind}")
    if isinstance(kind, types.Integer):
        whole = int(value) if isinstance(value, np.bool_) else operator.index(value)
        wrapped = getattr(ctypes, f"c_{kind.name}")(whole).value
        return wrapped if kind == types.int64 else np.dtype(kind.name).type(wrapped)
    python: type = _PYTHONS.get(kind) or (complex if isinstance(kind, types.Complex) else float)
    number = python(value)
    return number if kind in _PYTHONS else np.dtype(kind.name).type(number)


def _host_array(value: Any) -> HostArray:
    if type(value) is np.ndarray:
        return value
    if type(value) is DeviceNDArray:
        return view_of(value)
    if isinstance(value, ArgHint):
        inner = value.value
        if isinstance(value, In) and not hasattr(inner, "__cuda_array_interface__"):
            return np.array(inner, copy=True, order="K")  # what the kernel writes to it stays on the device
        return _host_array(inner)
    if hasattr(value, "__cuda_array_interface__"):
        return view_of(value)
    if isinstance(value, np.ndarray):
        return value.view(np.ndarray)
    return np.from_dlpack(value) if hasattr(value, "__dlpack__") else np.asarray(value)


def _host_record(value: Any) -> Any:
    """View a record: a NumPy scalar that refers to the memory."""
    if isinstance(value, ArgHint):
        return _host_record(value.value)
    if hasattr(value, "__cuda_array_interface__"):
        return view_of(value)[()]
    return value


def _array_at(
    address: int, shape: Sequence[int], dtype: np.dtype[Any], strides: Sequence[int] | None, read_only: bool
) -> HostArray:
    if not address or 0 in shape:
        return np.empty(shape, dtype)
    if strides is None:
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        lowest = 0
    else:
        reach = [(extent - 1) * step for extent, step in zip(shape, strides, strict=True)]
        lowest = sum(min(step, 0) for step in reach)
        size = sum(max(step, 0) for step in reach) - lowest + dtype.itemsize
    raw: Any = (ctypes.c_ubyte * size).from_address(address + lowest)
    view: HostArray = np.ndarray(tuple(shape), dtype, buffer=raw, offset=-lowest, strides=strides)
    if read_only:
        view.flags.writeable = False
    return view
