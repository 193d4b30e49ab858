"""Which way a launch copies an argument: numba.cuda's `In`, `Out` and `InOut`, and the same without importing numba."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

__all__ = ("DIRECTIONS", "OWN", "In", "InOut", "Out", "unwrap")

DIRECTIONS = ("In", "Out", "InOut")
"""Names of the classes, here and in numba.cuda."""


class _Directed:
    """An argument with a direction.

    Args:
        value: The host array.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class In(_Directed):
    """The kernel reads the array; what it stores there does not come back."""

    __slots__ = ()


class Out(_Directed):
    """The kernel writes the array and reads nothing it did not write; only what it stores is copied."""

    __slots__ = ()


class InOut(_Directed):
    """The kernel reads and writes the array: what a plain array means too."""

    __slots__ = ()


OWN: Mapping[type, str] = MappingProxyType({kind: kind.__name__.lower() for kind in (In, Out, InOut)})
"""The direction that each class here stands for."""


def unwrap(argument: Any) -> tuple[Any, str | None]:
    """Return the value and its direction: `in`, `out`, `inout`, or None where the argument carries none."""
    kind = type(argument)
    if kind in OWN:
        return argument.value, OWN[kind]
    if kind.__name__ in DIRECTIONS and kind.__module__.startswith("numba"):
        return argument.value, kind.__name__.lower()
    return argument, None
