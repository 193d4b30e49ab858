"""Read what a launch asks for: arguments by name, and how to launch. Takes no memory for what it would refuse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import orjson

from rkruntime.errors import ArgumentMismatch, RequestRefused
from rkruntime.kernels import KernelSpec, Out, as_declared, check_uses

__all__ = ("Launch", "Planned", "dtype_of", "is_shape", "plan", "read_launch", "take_memory")

HOW = frozenset(("over", "grid", "block", "shared"))
MOST_AXES = 64
"""Axes of an array of NumPy; lists that are deeper stay lists in it."""
MOST_ITEMS = 2**48
PLANNED = frozenset(("shape", "dtype"))
DTYPES = {
    name: np.dtype(name)
    for name in (
        "bool",
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
        *("float16", "float32", "float64", "complex64", "complex128"),
    )
}
FORMS = (
    'a number, a list of numbers, {"data": [...], "dtype": "float32"}, {"value": 2, "dtype": "float32"}, or, for an '
    'output, {"shape": [2], "dtype": "float64"}'
)


class Planned(NamedTuple):
    """An array that an argument will be: what it is like, before there is memory for it."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of its items."""
        return math.prod(self.shape) * self.dtype.itemsize


class Launch:
    """What is asked for.

    Args:
        args: By name, in the kernel's order: numbers, arrays, or `Planned` for outputs and for arrays still to come.
        how: Some of `over`, `grid`, `block` and `shared`.

    Attributes:
        output_bytes: Bytes of what is planned; known once `plan` has checked it.
    """

    __slots__ = ("args", "how", "output_bytes")

    def __init__(self, args: dict[str, Any], how: dict[str, Any]) -> None:
        self.args = args
        self.how = how
        self.output_bytes = 0


def read_launch(spec: KernelSpec, text: bytes | bytearray | str) -> Launch:
    """Read a launch in JSON.

    Raises:
        RequestRefused: It is no JSON, or has another form.
        ArgumentMismatch: An argument that the kernel does not have, or in no form that it takes.
    """
    try:
        told = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as error:
        raise RequestRefused(
            400, f"the launch is no JSON: {error}", "send an object; NaN and infinities do not exist in JSON"
        ) from None
    if not isinstance(told, dict):
        raise _refused(f"it is {_kind(told)}, not an object")
    args = told.pop("args", {})
    if not told.keys() <= HOW:
        raise _refused(f"it has {', '.join(map(str, told.keys() - HOW))}")
    if not isinstance(args, dict):
        raise _refused(f"args is {_kind(args)}, not an object of values by name")
    for name, value in args.items():
        args[name] = _argument(spec, name, value)
    return Launch(args, _how(told))


def plan(spec: KernelSpec, launch: Launch, most_bytes: int) -> Launch:
    """Put the arguments in the kernel's order, and check them against it.

    Raises:
        ArgumentMismatch: An argument is missing, or is not what the kernel's signature declares, or its body takes.
        RequestRefused: The outputs take more than `most_bytes` together.
    """
    if (*launch.args,) != spec.parameters:
        launch.args = _in_order(spec, launch)
    args = (*launch.args.values(),)
    if spec.declared:
        as_declared(spec.name, spec.parameters, spec.declared, args)
    else:
        check_uses(spec, args)
    taken = 0
    for value in args:
        if type(value) is Planned:
            taken += value.nbytes
    launch.output_bytes = taken
    if taken > most_bytes:
        raise RequestRefused(
            413,
            f"the outputs take {taken:,} bytes, and {most_bytes:,} are allowed",
            "ask for less at once, or raise service.max_response_size",
        )
    return launch


def _in_order(spec: KernelSpec, launch: Launch) -> dict[str, Any]:
    required = spec.parameters[: len(spec.parameters) - len(spec.defaults)]
    missing = [name for name in required if name not in launch.args]
    if missing:
        got, mend = f"nothing, of {len(launch.args)} arguments given", f"give {', '.join(missing)} too"
        raise ArgumentMismatch(spec.name, missing[0], got, spec.signature, mend)
    defaults = dict(zip(spec.parameters[len(required) :], spec.defaults, strict=True))
    return {name: launch.args[name] if name in launch.args else defaults[name] for name in spec.parameters}


def take_memory(launch: Launch) -> tuple[Any, ...]:
    """Return the arguments as a launch takes them; what was planned becomes an array of zeros to write to."""
    taken = launch.args.copy()
    for name, value in taken.items():
        if type(value) is Planned:
            taken[name] = Out(np.zeros(value.shape, value.dtype))
    return (*taken.values(),)


def dtype_of(spec: KernelSpec, name: str, text: object) -> np.dtype[Any]:
    """Return a dtype by its name: numbers and booleans alone.

    Raises:
        ArgumentMismatch: There is no such dtype.
    """
    if isinstance(text, str) and text in DTYPES:
        return DTYPES[text]
    raise ArgumentMismatch(spec.name, name, f"dtype {text!r}", "a dtype of numbers", f"give one of {', '.join(DTYPES)}")


def _argument(spec: KernelSpec, name: str, value: Any) -> Any:
    if name not in spec.parameters:
        raise ArgumentMismatch(spec.name, name, "a value for it", spec.signature, f"leave {name} out")
    kind = type(value)
    if kind is float or kind is int or kind is bool:
        return value
    if kind is list:
        return _array(spec, name, value, _declared_dtype(spec, name))
    if kind is dict:
        return _object(spec, name, value)
    raise ArgumentMismatch(spec.name, name, _kind(value), FORMS, "give it in one of these forms")


def _object(spec: KernelSpec, name: str, value: dict[str, Any]) -> Any:
    keys = value.keys()
    if keys == PLANNED:
        return Planned(dtype_of(spec, name, value["dtype"]), _shape(spec, name, value["shape"]))
    if keys == {"data", "dtype"} and isinstance(value["data"], list):
        return _array(spec, name, value["data"], dtype_of(spec, name, value["dtype"]))
    if keys == {"value", "dtype"}:
        return _array(spec, name, value["value"], dtype_of(spec, name, value["dtype"]))[()]
    got = f"an object with {', '.join(keys) or 'nothing'}"
    raise ArgumentMismatch(spec.name, name, got, FORMS, "give it in one of these forms")


def _array(spec: KernelSpec, name: str, value: Any, dtype: np.dtype[Any] | None) -> Any:
    if _holds_text(value):
        mend = "give numbers of 64 bits at most"
        raise ArgumentMismatch(spec.name, name, "a text", "a list of numbers or booleans", mend)
    try:
        plain = np.array(value)
        array = plain if dtype is None else _as_dtype(value, plain, dtype)
    except (ValueError, TypeError) as error:
        raise ArgumentMismatch(spec.name, name, "a list", "numbers in lists of equal lengths", str(error)) from None
    if plain.dtype.kind not in "biuf" and plain.size:
        got = f"a list of {plain.dtype}"
        raise ArgumentMismatch(spec.name, name, got, "a list of numbers or booleans", "give numbers of 64 bits at most")
    if array is None:
        mend = f"give numbers of {dtype}, whole and within its bounds, or another dtype"
        raise ArgumentMismatch(spec.name, name, f"numbers that are no {dtype}", str(dtype), mend)
    return array


def _as_dtype(value: Any, plain: np.ndarray[Any, Any], dtype: np.dtype[Any]) -> np.ndarray[Any, Any] | None:
    """Make an array of a dtype from a value and what NumPy makes of it; None where the numbers would be others.

    Floats may be rounded, but not to infinity.
    """
    if not plain.size:
        return np.zeros(plain.shape, dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        if dtype.kind not in "iu":
            array = plain.astype(dtype, casting="unsafe")
            return array if dtype.kind == "b" or np.isfinite(array).all() else None
        try:
            # NumPy makes floats of whole numbers where some are above 2**63, and rounds them.
            array = np.array(value, dtype) if plain.dtype.kind == "f" else plain.astype(dtype, casting="unsafe")
        except OverflowError:
            return None
        return array if np.array_equal(array, plain) else None


def _holds_text(value: Any, depth: int = 0) -> bool:
    """Whether NumPy would find a text: an array of texts takes the memory of the longest for each."""
    if type(value) is not list:
        return isinstance(value, str)
    kinds = set(map(type, value))
    if str in kinds:
        return True
    return list in kinds and depth < MOST_AXES and any(_holds_text(each, depth + 1) for each in value)


@lru_cache(maxsize=4096)
def _declared_dtype(spec: KernelSpec, name: str) -> np.dtype[Any] | None:
    """Return the dtype that every declared signature has for an argument, if there is one."""
    place = spec.parameters.index(name)
    found = {slots[place].dtype for slots in spec.declared}
    return found.pop() if len(found) == 1 else None


def is_shape(lengths: Sequence[int]) -> bool:
    """Whether NumPy can have an array of these lengths, which it counts even where one of them is 0."""
    counted = [each or 1 for each in lengths]
    return len(lengths) <= 8 and min(lengths, default=0) >= 0 and math.prod(counted) < MOST_ITEMS


def _shape(spec: KernelSpec, name: str, value: Any) -> tuple[int, ...]:
    if type(value) is list and len(value) == 1 and type(value[0]) is int and 0 <= value[0] < MOST_ITEMS:
        return (value[0],)  # most have one axis
    lengths = [value] if type(value) is int else value
    good = isinstance(lengths, list) and all(type(each) is int for each in lengths)
    if not good or not is_shape(lengths):
        mend = 'give lengths, as in {"shape": [64, 64], "dtype": "float32"}'
        raise ArgumentMismatch(spec.name, name, f"shape {value!r}"[:80], "up to eight whole numbers", mend)
    return tuple(lengths)


def _how(told: Mapping[str, Any]) -> dict[str, Any]:
    how: dict[str, Any] = {}
    for key, value in told.items():
        if value is None:
            continue
        if type(value) is int and 0 <= value < 2**31:
            how[key] = value
            continue
        lengths = value if isinstance(value, list) and key != "shared" else [value]
        if not all(type(each) is int and 0 <= each < 2**31 for each in lengths):
            raise _refused(f"{key} is {str(value)[:40]!r}")
        how[key] = tuple(value) if isinstance(value, list) else value
    return how


def _refused(why: str) -> RequestRefused:
    mend = 'send {"args": {NAME: VALUE}, "over": N}; grid, block and shared may replace over'
    return RequestRefused(422, f"the launch was not understood: {why}", mend)


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", str: "a text", type(None): "null"}.get(type(value), "a number")
