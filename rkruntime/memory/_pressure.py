"""Pressure levels: where each begins, when it is left, and what holds at it.

| level     | allocated / limit | what holds                                                                  |
|-----------|-------------------|-----------------------------------------------------------------------------|
| Normal    | < 70 %            |                                                                             |
| Warning   | 70-85 %           | deferrable allocations wait                                                 |
| Critical  | 85-95 %           | also: new kernel actors are refused                                         |
| Emergency | > 95 %            | also: idle memory is released, callbacks run, deferrable work is cancelled  |

Pure: no clock, no device.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping

import attrs

__all__ = ("ACTIONS", "Actions", "Edges", "PressureChange", "PressureLevel", "edges_for", "next_level", "stay_range")


class PressureLevel(enum.IntEnum):
    """How near allocation is to its limit; levels compare by urgency."""

    NORMAL = 0
    WARNING = 1
    CRITICAL = 2
    EMERGENCY = 3

    def __str__(self) -> str:
        return self.name.lower()


@attrs.frozen(kw_only=True)
class PressureChange:
    """One crossing from a level to another, with the bytes allocated at it; for hooks."""

    before: PressureLevel
    after: PressureLevel
    allocated_bytes: int
    limit_bytes: int


@attrs.frozen(kw_only=True)
class Actions:
    """What holds at a level."""

    defers: bool = False
    refuses_actors: bool = False
    releases_idle: bool = False
    cancels_deferred: bool = False


ACTIONS: Mapping[PressureLevel, Actions] = {
    PressureLevel.NORMAL: Actions(),
    PressureLevel.WARNING: Actions(defers=True),
    PressureLevel.CRITICAL: Actions(defers=True, refuses_actors=True),
    PressureLevel.EMERGENCY: Actions(defers=True, refuses_actors=True, releases_idle=True, cancels_deferred=True),
}


@attrs.frozen
class Edges:
    """The bytes at which each level is entered from below, and under which it is left again.

    Args:
        enter: Bytes of allocation from which level 0, 1, 2, 3 holds; `enter[0]` is 0.
        leave: Bytes of allocation under which level 0, 1, 2, 3 ends; `leave[0]` is 0: Normal has none below.
    """

    enter: tuple[int, int, int, int]
    leave: tuple[int, int, int, int]


def edges_for(limit_bytes: int, warning: float, critical: float, emergency: float, hysteresis: float) -> Edges:
    """Turn the configured fractions of `limit_bytes` into byte edges; Emergency lies strictly above its fraction."""
    enter = (
        math.ceil(warning * limit_bytes),
        math.ceil(critical * limit_bytes),
        math.floor(emergency * limit_bytes) + 1,
    )
    gap = math.ceil(hysteresis * limit_bytes)
    leave = tuple(max(edge - gap, 0) for edge in enter)
    return Edges((0, *enter), (0, leave[0], leave[1], leave[2]))


def next_level(level: PressureLevel, allocated_bytes: int, edges: Edges) -> PressureLevel:
    """Return the level after `level` once `allocated_bytes` are in use.

    A rise goes straight to the highest level entered; a fall stops at the first level whose leave edge still holds.
    """
    entered = max(each for each in PressureLevel if allocated_bytes >= edges.enter[each])
    if entered >= level:
        return entered
    return max(each for each in PressureLevel if each <= level and allocated_bytes >= edges.leave[each])


def stay_range(level: PressureLevel, edges: Edges) -> tuple[int, float]:
    """Return `(fall_below, rise_at)`: the level holds while `fall_below <= allocated < rise_at`."""
    rise_at = math.inf if level is PressureLevel.EMERGENCY else edges.enter[level + 1]
    return edges.leave[level], rise_at
