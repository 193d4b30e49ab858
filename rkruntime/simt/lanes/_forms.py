"""What one number, or a tuple of them, is among the threads of one vector. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import TypeAlias

__all__ = ("Form", "Shape", "has_rows", "is_uniform", "join", "mixed", "widest")


class Shape(IntEnum):
    """What one number is among a block's threads, and among those of one vector, which share a row of it.

    UNIFORM: the same for all threads of the block. ROW: the same for those of a vector. RAMP: one more from each thread
    of a vector to the next. VARYING: anything.
    """

    UNIFORM = 0
    ROW = 1
    RAMP = 2
    VARYING = 3


Form: TypeAlias = "Shape | tuple[Form, ...]"
"""A variable's shape: of a tuple, and of the parts of a range, one for each element."""


def is_uniform(form: Form) -> bool:
    """Whether all threads of a vector see the same."""
    return all(map(is_uniform, form)) if isinstance(form, tuple) else form <= Shape.ROW


def has_rows(form: Form) -> bool:
    """Whether some part is the same for all threads of a vector, and not for those of all vectors."""
    return any(map(has_rows, form)) if isinstance(form, tuple) else form is Shape.ROW


def widest(form: Form) -> Shape:
    """Return the shape of a form's most various part."""
    return max(map(widest, form), default=Shape.UNIFORM) if isinstance(form, tuple) else form


def join(one: Form, other: Form) -> Form:
    """Return what a variable is that may be either."""
    if isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other):
        return tuple(map(join, one, other))
    if isinstance(one, tuple) and not isinstance(other, tuple):
        return tuple(join(part, other) for part in one)
    if isinstance(other, tuple):
        return join(other, one)
    assert isinstance(one, Shape)
    return max(one, other)


def mixed(kept: Form, given: Form) -> Form:
    """Return what a variable is that was taken for one thing and is assigned another."""
    if isinstance(kept, tuple):
        return tuple(mixed(one, given[k] if isinstance(given, tuple) else given) for k, one in enumerate(kept))
    return Shape.VARYING if kept is Shape.RAMP and isinstance(given, Shape) and given < Shape.RAMP else kept
