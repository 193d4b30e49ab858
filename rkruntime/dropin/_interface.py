"""What the CUDA array interface of other libraries' arrays may say: versions 0 to 3, and no mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from rkruntime.errors import RkError

__all__ = ("UnreadableInterface", "check_interface")

NEWEST = 3


@attrs.define(eq=False)
class UnreadableInterface(RkError, NotImplementedError):
    """An array whose `__cuda_array_interface__` says what is not known here; numba-cuda raises NotImplementedError."""

    owner: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"the __cuda_array_interface__ of a {self.owner} {self.what}\n  mend: {self.mend}"


def check_interface(owner: object, interface: Mapping[str, Any]) -> None:
    """Hold an interface to what is understood.

    Args:
        owner: The array.
        interface: What it says of itself.

    Raises:
        UnreadableInterface: It is of an unknown version, or has a mask.
    """
    name, version = type(owner).__name__, interface.get("version")
    if not isinstance(version, int) or not 0 <= version <= NEWEST:
        mend = f"give an array whose interface has a version from 0 to {NEWEST}, or a copy of it (cuda.to_device)"
        raise UnreadableInterface(name, f"has version {version!r}, and those up to {NEWEST} are known", mend)
    if interface.get("mask") is not None:
        mend = "give the array without its mask, and the mask as an array of its own"
        raise UnreadableInterface(name, "has a mask: masked arrays are not supported", mend)
