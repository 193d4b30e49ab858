"""Every accepted message counted until it has ended, so that a drain can say what became of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import trio

from rkruntime.actors._records import Outcomes

if TYPE_CHECKING:
    from rkruntime.actors._cell import Cell
    from rkruntime.actors._mailbox import Envelope

__all__ = ("Count", "Ledger")


class Count:
    """One actor's messages: in flight now, and how those before ended."""

    __slots__ = ("cancelled", "completed", "failed", "in_flight")

    def __init__(self) -> None:
        self.in_flight = 0
        self.completed = 0
        self.cancelled = 0
        self.failed = 0

    @property
    def ended(self) -> int:
        """Messages that ended, in whatever way."""
        return self.completed + self.cancelled + self.failed


class Ledger:
    """All messages in flight, actor by actor.

    A message is in flight from its acceptance (it waits in a mailbox) to its end. `mark` remembers what was in flight
    then; `outcomes` says how exactly those have ended. Messages that handlers send while the system drains are work of
    messages already counted, so they hold up the end of the drain but are not counted again.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self.marked: dict[str, int] = {}
        self.is_marked = False
        self._ended: dict[str, Count] = {}
        self._idle: trio.Event | None = None

    def accept(self, cell: Cell, envelope: Envelope) -> None:
        """Count a message that was put into a mailbox."""
        envelope.counted = not self.is_marked
        cell.count.in_flight += 1
        self.in_flight += 1

    def finish(self, cell: Cell, envelope: Envelope, how: str) -> None:
        """Count a message's end: `completed`, `cancelled` or `failed`."""
        count = cell.count
        count.in_flight -= 1
        setattr(count, how, getattr(count, how) + 1)
        self.in_flight -= 1
        if self.is_marked and envelope.counted:
            ended = self._ended.setdefault(cell.name, Count())
            setattr(ended, how, getattr(ended, how) + 1)
        if self._idle is not None and not self.in_flight:
            self._idle.set()
            self._idle = None

    def mark(self, in_flight: Mapping[str, int]) -> None:
        """Remember what is in flight now, by actor; the first mark stays."""
        if not self.is_marked:
            self.is_marked = True
            self.marked = {name: number for name, number in in_flight.items() if number}

    def outcomes(self) -> dict[str, Outcomes]:
        """Return how the messages in flight at the mark have ended, by actor; the rest counts as abandoned."""
        found = {}
        for name, number in self.marked.items():
            ended = self._ended.get(name, Count())
            found[name] = Outcomes(
                completed=ended.completed,
                cancelled=ended.cancelled,
                failed=ended.failed,
                abandoned=number - ended.ended,
            )
        return found

    def progress(self) -> tuple[int, int]:
        """Return how many messages were in flight at the mark, and how many of them still are; now, while unmarked."""
        if not self.is_marked:
            return self.in_flight, self.in_flight
        began = sum(self.marked.values())
        return began, began - sum(count.ended for count in self._ended.values())

    async def wait_idle(self) -> None:
        """Wait until nothing is in flight."""
        while self.in_flight:
            if self._idle is None:
                self._idle = trio.Event()
            await self._idle.wait()
        await trio.lowlevel.checkpoint()
