"""The lifecycle at run time: one place that moves it, and that lets tasks wait for a state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import trio

from rkruntime.errors import UnreachableState
from rkruntime.runtime._lifecycle import MOVES, State, is_final, move
from rkruntime.runtime._records import Transition

__all__ = ("Lifecycle",)


class Lifecycle:
    """Moves along the table, tells each move, and wakes whoever waits for it.

    Args:
        tell: Called with each move's record, after the state has changed and before `move` returns.
    """

    def __init__(self, tell: Callable[[Transition], None]) -> None:
        self._tell = tell
        self._changed = trio.Event()
        self.state = State.CREATED
        self.since_s = 0.0
        self.counts: Counter[State] = Counter()
        self.cause: BaseException | None = None

    async def move(self, wanted: State, cause: BaseException | None = None) -> None:
        """Enter `wanted`, and give whoever watches a turn before the next step begins.

        Raises:
            InvalidTransition: The table has no such move.
        """
        before, self.state = self.state, move(self.state, wanted)
        self.since_s = trio.current_time()
        self.cause = cause or self.cause
        self.counts[wanted] += 1
        self._changed.set()
        self._changed = trio.Event()
        why = f"{type(cause).__name__}: {cause}" if cause is not None else ""
        self._tell(Transition(before=before, after=wanted, at_s=self.since_s, cause=why))
        for _ in range(2):  # tasks woken together run in any order: only after a second turn has each had one
            await trio.lowlevel.cancel_shielded_checkpoint()

    async def wait_for(self, wanted: State) -> None:
        """Wait until the state is `wanted`.

        Raises:
            UnreachableState: The lifecycle has ended elsewhere, or has gone past it.
        """
        if self.state is wanted:
            await trio.lowlevel.checkpoint()
        while self.state is not wanted:
            if wanted not in _reachable(self.state):
                raise UnreachableState(self.state.value, wanted.value) from self.cause
            await self._changed.wait()

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return is_final(self.state)


def _reachable(state: State) -> set[State]:
    found: set[State] = set()
    ahead = list(MOVES[state])
    while ahead:
        nearest = ahead.pop()
        if nearest not in found:
            found.add(nearest)
            ahead += MOVES[nearest]
    return found
