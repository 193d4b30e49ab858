"""Control flow as graphs of block numbers: loops, where branches meet again, and an order that runs all paths in turn.

Pure. Where threads of one vector take different ways at a branch, the blocks up to where the ways meet are divergent:
they run one after the other, each under the mask of the threads that want it. Loops among them run until no thread is
left. (Karrenberg and Hack, "Whole-Function Vectorization", CGO 2011, linearises control flow so.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import TypeAlias

import attrs

__all__ = ("Flow", "Irreducible", "Loop", "Order", "divergent_regions", "linear_order")


class Irreducible(Exception):
    """A loop is entered at two places; Python's own statements make none."""


@attrs.frozen
class Loop:
    """A natural loop.

    Args:
        header: Where it is entered.
        body: Its blocks, the header among them.
        latches: Those of its blocks that jump back to the header.
    """

    header: int
    body: frozenset[int]
    latches: frozenset[int]


Order: TypeAlias = "tuple[int | tuple[Loop, Order], ...]"
"""Blocks in the order in which they run; a loop's blocks are together."""


@attrs.frozen(eq=False)
class Flow:
    """A function's control flow.

    Args:
        successors: For each block those it may go on at; none where it returns or raises.
        entry: The first block.
        raising: Blocks that end by raising an error: where they lead to does not matter.
    """

    successors: Mapping[int, tuple[int, ...]]
    entry: int
    raising: frozenset[int] = frozenset()
    dominators: Mapping[int, frozenset[int]] = attrs.field(init=False)
    post_dominators: Mapping[int, frozenset[int]] = attrs.field(init=False)
    loops: Mapping[int, Loop] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        backwards: dict[int, set[int]] = {block: set() for block in self.successors}
        for block, after in self.successors.items():
            for one in after:
                backwards[one].add(block)
        forwards = {
            block: {one for one in after if one not in self.raising} for block, after in self.successors.items()
        }
        object.__setattr__(self, "dominators", _dominators(backwards, {self.entry}))
        ends = {block for block, after in forwards.items() if not after}
        ending = self.leading_to(ends)
        forwards = {block: after & ending for block, after in forwards.items()}
        object.__setattr__(self, "post_dominators", _dominators(forwards, ends))
        object.__setattr__(self, "loops", _loops(self.successors, backwards, self.dominators))

    def meeting_point(self, block: int) -> int | None:
        """Return the block that every way from here passes first, or None where they end apart."""
        later = self.post_dominators[block] - {block}
        return next((one for one in later if later <= self.post_dominators[one]), None)

    def leading_to(self, goals: Set[int]) -> frozenset[int]:
        """Return the blocks from which one of `goals` can be reached, these among them."""
        found = set(goals)
        while more := {one for one, after in self.successors.items() if one not in found and found & set(after)}:
            found |= more
        return frozenset(found)

    def without(self, edges: Set[tuple[int, int]]) -> Flow:
        """Return the flow that lacks some ways from block to block."""
        left = {
            block: tuple(one for one in after if (block, one) not in edges) for block, after in self.successors.items()
        }
        return Flow(left, self.entry, self.raising)

    def innermost_loop(self, block: int) -> Loop | None:
        """Return the smallest loop around a block."""
        around = [loop for loop in self.loops.values() if block in loop.body]
        return min(around, key=lambda loop: len(loop.body), default=None)

    def reachable(self, starts: Iterable[int], until: Set[int]) -> frozenset[int]:
        """Return the blocks that can be reached from `starts`, these among them, without passing one of `until`."""
        found: set[int] = set()
        waiting = [one for one in starts if one not in until]
        while waiting:
            block = waiting.pop()
            if block not in found:
                found.add(block)
                waiting += [one for one in self.successors[block] if one not in until]
        return frozenset(found)


def _dominators(before: Mapping[int, Set[int]], starts: Set[int]) -> dict[int, frozenset[int]]:
    """Return for each block those that every way to it from `starts` passes, itself among them."""
    every = frozenset(before)
    found = {block: frozenset({block}) if block in starts else every for block in before}
    changed = True
    while changed:
        changed = False
        for block in before:
            if block in starts:
                continue
            ways = [found[one] for one in before[block]]
            new = frozenset.intersection(*ways) | {block} if ways else frozenset({block})
            if new != found[block]:
                found[block], changed = new, True
    return found


def _loops(
    successors: Mapping[int, tuple[int, ...]],
    backwards: Mapping[int, Set[int]],
    dominators: Mapping[int, frozenset[int]],
) -> dict[int, Loop]:
    latches: dict[int, set[int]] = {}
    for block, after in successors.items():
        for one in after:
            if one in dominators[block]:
                latches.setdefault(one, set()).add(block)
    loops = {}
    for header, ends in latches.items():
        body, waiting = {header}, list(ends)
        while waiting:
            block = waiting.pop()
            if block not in body:
                body.add(block)
                waiting += backwards[block]
        loops[header] = Loop(header, frozenset(body), frozenset(ends))
    return loops


def divergent_regions(
    flow: Flow, branches: Iterable[int], apart: Iterable[frozenset[int]] = ()
) -> tuple[frozenset[int], ...]:
    """Return the blocks that threads of one vector may run at different times, grouped by where they part and meet.

    Args:
        flow: The control flow.
        branches: Blocks at whose end threads may go different ways.
        apart: Groups that are known to be such.
    """
    regions: list[frozenset[int]] = []
    for new in (*apart, *(_parted_at(flow, branch) for branch in branches)):
        touched = [one for one in regions if _touch(flow, one, new)]
        regions = [one for one in regions if one not in touched] + [new.union(*touched)]
    return tuple(sorted((one for one in regions if one), key=min))


def _parted_at(flow: Flow, branch: int) -> frozenset[int]:
    """Return the blocks between a branch and where its ways meet."""
    meeting = flow.meeting_point(branch)
    return flow.reachable(flow.successors[branch], set() if meeting is None else {meeting})


def _touch(flow: Flow, one: Set[int], other: Set[int]) -> bool:
    """Whether two groups of blocks share a block, or an edge leads from one to the other."""
    if one & other:
        return True
    return any(after in b for a, b in ((one, other), (other, one)) for block in a for after in flow.successors[block])


def linear_order(flow: Flow, blocks: Set[int], around: Loop | None = None) -> Order:
    """Order blocks so that each comes after those that lead to it; the blocks of a loop stay together.

    Args:
        flow: The control flow.
        blocks: What to order.
        around: The loop whose body they are, if they are one's.

    Raises:
        Irreducible: There is no such order.
    """
    inner = [loop for loop in flow.loops.values() if loop is not around and loop.body <= blocks]
    outermost = [loop for loop in inner if not any(loop.body < other.body for other in inner)]
    whose = {block: loop for loop in outermost for block in loop.body}
    back_to = around.header if around is not None else None

    def unit(block: int) -> int:
        return whose[block].header if block in whose else block

    waits_for: dict[int, set[int]] = {unit(block): set() for block in blocks}
    for block in blocks:
        for after in flow.successors[block]:
            if after in blocks and after != back_to and unit(after) != unit(block):
                waits_for[unit(after)].add(unit(block))
    return tuple(
        (whose[one], linear_order(flow, whose[one].body, whose[one])) if one in whose else one
        for one in _sorted(waits_for)
    )


def _sorted(waits_for: dict[int, set[int]]) -> Sequence[int]:
    order: list[int] = []
    while waits_for:
        ready = min((one for one, others in waits_for.items() if not others), default=None)
        if ready is None:
            raise Irreducible
        order.append(ready)
        del waits_for[ready]
        for others in waits_for.values():
            others.discard(ready)
    return order
