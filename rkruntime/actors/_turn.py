"""The handlers at work that led to a piece of code, carried by a context variable."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, cast

from rkruntime import context

if TYPE_CHECKING:
    from rkruntime.actors._cell import Cell

__all__ = ("TURNS", "Turn", "turns_at_work")


class Turn:
    """One message's turn at an actor: over when its handler has ended, though tasks it left behind may go on."""

    __slots__ = ("actor", "cell", "over", "slot")

    def __init__(self, cell: Cell, slot: int) -> None:
        self.cell = cell
        self.actor = cell.name
        self.slot = slot
        self.over = False


TURNS = cast("ContextVar[tuple[Turn, ...]]", context.TURNS)
"""The turns that led here, the nearest last."""


def turns_at_work() -> tuple[Turn, ...]:
    """Return the turns that led here and are not over, the nearest last."""
    turns = TURNS.get()
    return tuple(turn for turn in turns if not turn.over) if turns else ()
