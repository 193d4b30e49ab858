"""What compiled kernels raise of ours; drivers make errors of the project of it, which say where."""

from __future__ import annotations

__all__ = ("Interrupted", "OutOfBounds", "TooDeep")


class OutOfBounds(IndexError):
    """A subscript is outside its array; the state record says by how much, and where."""


class TooDeep(RecursionError):
    """A device function has called itself until its thread's stack was used up."""


class Interrupted(Exception):
    """Raised by a kernel's loop that sees that its launch is cancelled; the driver makes a LaunchCancelled of it."""
