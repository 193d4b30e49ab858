"""Warp operations on fibers: 32 neighbouring threads meet, and the last to come answers for all.

A lane that arrives leaves its operation, mask and value in its record. Once all lanes of the mask that have not
returned wait with the same operation and mask, the one that completes them writes every lane's answer; the others go on
when their turn comes. A lane may then run ahead and overwrite its value, for nobody reads it again.
Lanes of one warp may wait in several groups with different masks at once, as after divergent branches.

Values travel as the int64 of their bits. A lane that reads from one outside the mask, outside the warp, or that has
returned gets its own value back (CUDA leaves the first and last undefined).

`activemask` answers when no thread of the block can go on otherwise: with the lanes of the warp that wait in it then.
"""

from __future__ import annotations

from rkruntime.simt import _fiber_records as r
from rkruntime.simt import _state
from rkruntime.simt._fiber_records import leave, make_ready, stop
from rkruntime.simt._switch import native, put, word

__all__ = ("answer_asking", "ask_active", "meet", "settle_after_return")

LANES = 32
FULL = 0xFFFFFFFF

# Operations.
SYNC, FROM_LANE, FROM_BELOW, FROM_ABOVE, FROM_XOR = range(1, 6)
BALLOT, ALL, ANY, EQUAL, MATCH_ANY, MATCH_ALL, ACTIVE = range(6, 13)


@native
def _expected(warp: int, step: int, mask: int, operation: int) -> int:
    """Return the live lanes of `mask` if all of them wait with this mask and operation, else 0."""
    expected = mask & word(warp, r.WARP_LIVE)
    if expected & ~word(warp, r.WARP_WAITING):
        return 0
    for lane in range(LANES):
        if (expected >> lane) & 1:
            thread = warp + lane * step
            if word(thread, r.MASK) != mask or word(thread, r.OPERATION) != operation:
                return 0
    return expected


@native
def _source_lane(operation: int, lane: int, source: int) -> int:
    """Return the lane that a shuffle reads from; its own where that lies outside the warp."""
    source &= LANES - 1
    if operation == FROM_LANE:
        return source
    if operation == FROM_XOR:
        return lane ^ source
    if operation == FROM_BELOW:
        return lane - source if lane >= source else lane
    return lane + source if lane + source < LANES else lane


@native
def _matches(warp: int, step: int, lanes: int, value: int) -> int:
    """Return which of `lanes` hold `value`."""
    found = 0
    for lane in range(LANES):
        if (lanes >> lane) & 1 and word(warp + lane * step, r.VALUE) == value:
            found |= 1 << lane
    return found


@native
def _vote(operation: int, lanes: int, ballot: int) -> int:
    """Return what all of `lanes` get, of which those in `ballot` came with a true predicate."""
    if operation == BALLOT:
        return ballot
    if operation == ALL:
        return 1 if ballot == lanes else 0
    if operation == ANY:
        return 1 if ballot != 0 else 0
    if operation == EQUAL:
        return 1 if ballot == 0 or ballot == lanes else 0
    return lanes


@native
def _answer(warp: int, step: int, lanes: int, lane: int, ballot: int) -> int:
    """Return what one lane gets from an operation that all of `lanes` have arrived at."""
    thread = warp + lane * step
    operation = word(thread, r.OPERATION)
    if operation == MATCH_ANY:
        return _matches(warp, step, lanes, word(thread, r.VALUE))
    if operation == MATCH_ALL:
        return lanes if _matches(warp, step, lanes, word(thread, r.VALUE)) == lanes else 0
    if operation >= BALLOT:
        return _vote(operation, lanes, ballot)
    if operation == SYNC:
        return lanes
    source = _source_lane(operation, lane, word(thread, r.SOURCE))
    if (lanes >> source) & 1:
        return word(warp + source * step, r.VALUE)
    return word(thread, r.VALUE)


@native
def _settle(block: int, warp: int, step: int, lanes: int, runner: int) -> None:
    """Write the answers of `lanes` and let them go on; `runner` is the record of a lane that already does, or 0."""
    ballot = 0
    for lane in range(LANES):
        if (lanes >> lane) & 1 and word(warp + lane * step, r.VALUE) != 0:
            ballot |= 1 << lane
    for lane in range(LANES):
        if (lanes >> lane) & 1:
            put(warp + lane * step, r.ANSWER, _answer(warp, step, lanes, lane, ballot))
    for lane in range(LANES):
        thread = warp + lane * step
        if (lanes >> lane) & 1:
            put(thread, r.MASK, 0)
            if thread != runner:
                make_ready(block, thread)
    put(warp, r.WARP_WAITING, word(warp, r.WARP_WAITING) & ~lanes)


@native
def _wait(thread: int, operation: int, mask: int, value: int, source: int) -> None:
    """Note in the records that a lane waits."""
    put(thread, r.MASK, mask)
    put(thread, r.OPERATION, operation)
    put(thread, r.VALUE, value)
    put(thread, r.SOURCE, source)
    warp = word(thread, r.WARP)
    put(warp, r.WARP_WAITING, word(warp, r.WARP_WAITING) | (1 << word(thread, r.LANE)))


@native
def meet(thread: int, operation: int, mask: int, value: int, source: int) -> int:
    """Wait for the other lanes of `mask`; return this lane's answer, and the lanes that met."""
    block, warp = word(thread, r.BLOCK), word(thread, r.WARP)
    mask &= FULL
    if not (mask >> word(thread, r.LANE)) & 1:
        put(block, r.FAILED, thread)
        stop(block, thread, r.LANE_NOT_IN_MASK)
    _wait(thread, operation, mask, value, source)
    step = word(block, r.LANE_STEP)
    lanes = _expected(warp, step, mask, operation)
    if lanes:
        _settle(block, warp, step, lanes, thread)
    else:
        leave(block, thread)
    return word(thread, r.ANSWER)


@native
def settle_after_return(block: int, warp: int) -> None:
    """Let groups of a warp go on that waited for a lane which has now returned."""
    step = word(block, r.LANE_STEP)
    for lane in range(LANES):
        if (word(warp, r.WARP_WAITING) >> lane) & 1:
            thread = warp + lane * step
            if word(thread, r.OPERATION) != ACTIVE:
                lanes = _expected(warp, step, word(thread, r.MASK), word(thread, r.OPERATION))
                if lanes:
                    _settle(block, warp, step, lanes, 0)


@native
def ask_active(thread: int, site: int) -> int:
    """Wait until no other thread can go on; return the lanes of the warp that wait at the same `site` then."""
    block = word(thread, r.BLOCK)
    _wait(thread, ACTIVE, FULL, 0, site)
    put(block, r.ASKING, word(block, r.ASKING) + 1)
    leave(block, thread)
    return word(thread, r.ANSWER)


@native
def _asking_at(warp: int, step: int, site: int) -> int:
    """Return the lanes that wait in `activemask` at one site."""
    lanes = 0
    for lane in range(LANES):
        thread = warp + lane * step
        waits = (word(warp, r.WARP_WAITING) >> lane) & 1
        if waits and word(thread, r.OPERATION) == ACTIVE and word(thread, r.SOURCE) == site:
            lanes |= 1 << lane
    return lanes


@native
def answer_asking(block: int, threads: int) -> None:
    """Answer every thread of the block that waits in `activemask`."""
    state, step = word(block, r.STATE), word(block, r.LANE_STEP)
    put(block, r.ASKING, 0)
    for k in range(0, threads, LANES):
        warp = r.record_at(word(block, r.STACKS), word(state, _state.STACK_BYTES), k)
        for lane in range(LANES):
            thread = warp + lane * step
            if (word(warp, r.WARP_WAITING) >> lane) & 1 and word(thread, r.OPERATION) == ACTIVE:
                _settle(block, warp, step, _asking_at(warp, step, word(thread, r.SOURCE)), 0)
