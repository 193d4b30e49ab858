"""When a crashed actor comes back, and with whom: strategies, policies, windows and backoff. Pure.

The model is Erlang/OTP's supervisor (design principles, section "Supervisor Behaviour"), with a sliding window.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import attrs

__all__ = ("Decision", "Policy", "Restart", "Strategy", "affected", "backoff_s", "decide", "within_window")


class Strategy(enum.Enum):
    """Who restarts when one child crashes: it alone, all children, or it and those started after it."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class Policy(enum.Enum):
    """Which ends an actor comes back from: any, a crash, or none."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


@attrs.frozen(kw_only=True)
class Restart:
    """How crashes are answered.

    Args:
        max_restarts: Restarts within the window; one more escalates to the supervisor above.
        within: Length of the sliding window, in seconds.
        strategy: Who restarts with it; a supervisor's own setting counts.
        policy: Which ends it comes back from.
        backoff: Seconds before the first restart in the window; each further one doubles it.
        max_backoff: The most that a restart waits, in seconds.
        jitter: The part of the backoff that is random: 0.2 gives 0.8 to 1.2 times.
    """

    max_restarts: int = attrs.field(default=3, validator=attrs.validators.ge(0))
    within: float = attrs.field(default=60.0, validator=attrs.validators.gt(0))
    strategy: Strategy = attrs.field(default=Strategy.ONE_FOR_ONE, converter=Strategy)
    policy: Policy = attrs.field(default=Policy.PERMANENT, converter=Policy)
    backoff: float = attrs.field(default=0.05, validator=attrs.validators.ge(0))
    max_backoff: float = attrs.field(default=10.0, validator=attrs.validators.ge(0))
    jitter: float = attrs.field(default=0.2, validator=[attrs.validators.ge(0), attrs.validators.le(1)])


class Decision(enum.Enum):
    """What becomes of an actor whose life has ended."""

    RESTART = "restart"
    STOP = "stop"
    ESCALATE = "escalate"


def within_window(restarts_s: Sequence[float], now_s: float, within_s: float) -> tuple[float, ...]:
    """Return those restarts that still count: a restart exactly `within_s` ago does not."""
    return tuple(at_s for at_s in restarts_s if now_s - at_s < within_s)


def decide(restart: Restart, restarts_s: Sequence[float], now_s: float, *, crashed: bool) -> Decision:
    """Decide what follows an end.

    Args:
        restart: The settings in force.
        restarts_s: When the restarts before this one were.
        now_s: When this end was.
        crashed: An error ended it; False where the actor ended itself.
    """
    if restart.policy is Policy.TEMPORARY or (restart.policy is Policy.TRANSIENT and not crashed):
        return Decision.STOP
    counted = within_window(restarts_s, now_s, restart.within)
    return Decision.RESTART if len(counted) < restart.max_restarts else Decision.ESCALATE


def backoff_s(restart: Restart, earlier: int, random: float) -> float:
    """Return how long the next restart waits.

    Args:
        restart: The settings in force.
        earlier: Restarts in the window before this one.
        random: A number from 0 up to 1.
    """
    steady = min(restart.backoff * 2.0 ** min(earlier, 60), restart.max_backoff)
    return steady * (1 + restart.jitter * (2 * random - 1))


def affected(strategy: Strategy, crashed: int, children: int) -> range:
    """Return the positions, in starting order, of the children that restart when number `crashed` does."""
    first = 0 if strategy is Strategy.ONE_FOR_ALL else crashed
    last = crashed + 1 if strategy is Strategy.ONE_FOR_ONE else children
    return range(first, last)
