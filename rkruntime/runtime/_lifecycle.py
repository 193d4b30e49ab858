"""The lifecycle as data: every legal move, and what each state means to probes and requests. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from rkruntime.errors import InvalidTransition

__all__ = ("MOVES", "State", "is_final", "is_live", "is_ready", "move")


class State(enum.Enum):
    """Where a runtime stands between its making and its end."""

    CREATED = "created"
    STARTING = "starting"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"


MOVES: Mapping[State, tuple[State, ...]] = {
    State.CREATED: (State.STARTING, State.STOPPED),
    State.STARTING: (State.RUNNING, State.DRAINING, State.FAILED),
    State.RUNNING: (State.DRAINING, State.FAILED),
    State.DRAINING: (State.STOPPED, State.FAILED),
    State.STOPPED: (),
    State.FAILED: (),
}


def move(current: State, wanted: State) -> State:
    """Return `wanted` if the lifecycle allows it.

    Raises:
        InvalidTransition: The table has no such move; the error lists those it has.
    """
    if wanted not in MOVES[current]:
        raise InvalidTransition(current.value, wanted.value, tuple(state.value for state in MOVES[current]))
    return wanted


def is_live(state: State) -> bool:
    """Whether a liveness probe passes: the process is worth keeping."""
    return state in (State.STARTING, State.RUNNING, State.DRAINING)


def is_ready(state: State) -> bool:
    """Whether a readiness probe passes: new requests are served."""
    return state is State.RUNNING


def is_final(state: State) -> bool:
    """Whether nothing follows this state."""
    return not MOVES[state]
