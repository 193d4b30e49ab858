"""Where threads leave those that will wait for one another again: early returns, and the ends of their own loops.

Pure. A barrier opens when every thread that has not returned waits at one. So threads may part for good at a branch
from whose one side no barrier can be reached: those that go there run to their end, and the others go on together,
fewer than before. What is left is the same flow without such ways, in which threads must part and meet between two
barriers.
"""

from __future__ import annotations

from collections.abc import Set

import attrs

from rkruntime.simt.lanes._flow import Flow

__all__ = ("Leaving",)


@attrs.define
class Leaving:
    """Which branches threads leave at; grows while more is learnt about what differs among them.

    Args:
        flow: The control flow.
        barriers: Blocks that end at one.
        meetings: Blocks at whose ends threads meet: those, and others.
    """

    flow: Flow
    barriers: frozenset[int]
    meetings: frozenset[int]
    ways: frozenset[tuple[int, int]] = frozenset()
    staying: frozenset[int] = attrs.field(init=False)
    together: Flow = attrs.field(init=False)
    between: Flow = attrs.field(init=False)
    pieces: Flow = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.staying = self.flow.leading_to(self.meetings)
        self._look()

    @property
    def branches(self) -> frozenset[int]:
        """Blocks at whose ends threads may leave."""
        return frozenset(block for block, _ in self.ways)

    @property
    def gone(self) -> list[frozenset[int]]:
        """What those who left may run, for each way out."""
        return [self.flow.reachable([target], set()) for _, target in sorted(self.ways)]

    def way_out(self, block: int) -> int | None:
        """Return where from a block some would leave while others stay, if there is such a place."""
        out = [one for one in self.flow.successors[block] if one not in self.staying]
        if block not in self.staying or len(out) != 1 or len(self.flow.successors[block]) != 2:
            return None
        return None if out[0] in self.flow.raising else out[0]

    def add(self, blocks: Set[int]) -> None:
        """Take it that threads decide one by one at the ends of these blocks."""
        new = {(block, out) for block in blocks if (out := self.way_out(block)) is not None} - self.ways
        if new:
            self.ways |= new
            self._look()

    def _look(self) -> None:
        """Find out how threads go on that stay: in all, up to where they meet next, and up to the next barrier."""
        self.together = self.flow.without(self.ways) if self.ways else self.flow
        self.between, self.pieces = self._up_to(self.meetings), self._up_to(self.barriers)

    def _up_to(self, blocks: frozenset[int]) -> Flow:
        past = {(block, after) for block in blocks for after in self.flow.successors[block]}
        return self.together.without(past) if past else self.together
