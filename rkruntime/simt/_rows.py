"""Which blocks compiled code is for, by how long the rows of their threads are."""

from __future__ import annotations

import enum

__all__ = ("Rows",)


class Rows(enum.Enum):
    """What becomes of a vector at the end of a row, which may have fewer threads than others; values are for people."""

    ANY = "whole vectors and the ends of rows have code of their own"
    WHOLE = "rows of the block are whole vectors; for other blocks the kernel is compiled once they come"
    MASKED = "every vector has a mask, so that those at the ends of rows need no code of their own"
    NUMBERED = "a vector's threads are in the order of their numbers, over the ends of rows"
