"""Errors of configuration, and of files that people name."""

from __future__ import annotations

import attrs

from rkruntime.errors._base import RkError, told

__all__ = (
    "InvalidConfiguration",
    "UnreadableInput",
)


@attrs.define(eq=False)
class InvalidConfiguration(RkError, ValueError):
    """A configuration value outside what is allowed."""

    path: str
    value: object
    allowed: str

    def __str__(self) -> str:
        return told(f"{self.path} = {self.value!r} is not allowed", f"allowed: {self.allowed}")


@attrs.define(eq=False)
class UnreadableInput(RkError):
    """An input or output file that cannot be read or written as what its name says."""

    path: str
    why: str
    mend: str

    def __str__(self) -> str:
        return told(f"{self.path}: {self.why}", self.mend)
