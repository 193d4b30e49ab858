"""Cutting a kernel at its barriers: segments, each of which all threads of a block run before any runs the next.

Pure. A segment is as much code as has no barrier in it, with the loops and branches inside. Branches and loops that
have a barrier within them lie between segments: they are decided once for the block, so all its threads must agree,
but for those that leave the others for good.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

import attrs

from rkruntime.simt.lanes._flow import Flow
from rkruntime.simt.lanes._leaving import Leaving

__all__ = ("Segment", "Uncuttable", "segments_of")


class Uncuttable(Exception):
    """A kernel cannot be cut so.

    Args:
        why: The reason.
        label: The block that it stands at the end of.
    """

    def __init__(self, why: str, label: int) -> None:
        super().__init__(why, label)
        self.why, self.label = why, label


@attrs.frozen
class Segment:
    """Blocks that every thread runs before any goes on.

    Args:
        first: Where threads begin.
        last: Where all of them end; what it ends with is decided for the block. None where they only leave.
        labels: All of the blocks.
    """

    first: int
    last: int | None
    labels: frozenset[int]


def segments_of(leaving: Leaving, regions: Sequence[frozenset[int]]) -> dict[int, Segment]:
    """Cut a function into segments, by their first blocks.

    Args:
        leaving: Its control flow, with a block's end at each barrier, and where threads leave.
        regions: Blocks that threads of one vector run at different times, by where they part and meet.

    Raises:
        Uncuttable: Threads part at a branch with a barrier behind it, or a segment ends at several places.
    """
    flow, barriers = leaving.together, leaving.barriers
    divergent = frozenset[int]().union(*regions)
    if barriers & divergent:
        raise Uncuttable("threads may part before a barrier", min(barriers & divergent))
    ends = set(barriers) | _branches_around(leaving.pieces, barriers)
    leaders = {flow.entry} | {after for block in ends for after in flow.successors[block]}
    while True:
        owners: dict[int, int] = {}
        shared = set()
        for leader in leaders:
            for block in _inside(flow, leader, leaders, ends):
                if owners.setdefault(block, leader) != leader:
                    shared.add(block)
        if not shared:
            break
        leaders |= _entered(flow, shared)
    if apart := leaders & divergent & leaving.staying:
        raise Uncuttable("threads may part before a barrier that not all come to", min(apart))
    segments = {leader: _segment(flow, leader, leaders, ends) for leader in leaders}
    lasts = {one.last for one in segments.values() if one.last is not None and flow.successors[one.last]}
    if lasts & divergent:
        raise Uncuttable("threads that left and the others meet at more than one place", min(lasts & divergent))
    return _with_whole_regions(segments, regions)


def _with_whole_regions(segments: dict[int, Segment], regions: Sequence[frozenset[int]]) -> dict[int, Segment]:
    """Return segments that have the whole of each region that they touch: some of it those who left run alone."""
    for region in regions:
        touching = [one for one in segments.values() if one.labels & region]
        if len(touching) > 1:
            raise Uncuttable("threads that left and the others meet at more than one place", min(region))
        for one in touching:
            segments[one.first] = attrs.evolve(one, labels=one.labels | region)
    return segments


def _branches_around(flow: Flow, barriers: Set[int]) -> set[int]:
    """Return blocks whose ways on differ in the barriers that they pass before they meet again."""
    around = set()
    for block, after in flow.successors.items():
        if len(after) > 1:
            meeting = flow.meeting_point(block)
            if flow.reachable(after, set() if meeting is None else {meeting}) & barriers:
                around.add(block)
    return around


def _entered(flow: Flow, shared: Set[int]) -> set[int]:
    """Return those of some blocks that others lead to."""
    return {after for block, ways in flow.successors.items() if block not in shared for after in ways} & shared


def _inside(flow: Flow, leader: int, leaders: Set[int], ends: Set[int]) -> set[int]:
    found, waiting = set(), [leader]
    while waiting:
        block = waiting.pop()
        if block in found:
            continue
        found.add(block)
        if block not in ends:
            waiting += [after for after in flow.successors[block] if after not in leaders]
    return found


def _segment(flow: Flow, leader: int, leaders: Set[int], ends: Set[int]) -> Segment:
    labels = _inside(flow, leader, leaders, ends)
    last = {
        block
        for block in labels
        if block not in flow.raising
        and (block in ends or not flow.successors[block] or set(flow.successors[block]) & leaders)
    }
    if len(last) > 1:
        raise Uncuttable("threads leave the code between two barriers at more than one place", min(last))
    return Segment(leader, last.pop() if last else None, frozenset(labels))
