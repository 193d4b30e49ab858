"""What a drain does next, decided from a frozen view of the world. Pure: no clock, no task, no device.

The order is that of every graceful shutdown: be seen as not ready (grace), finish what was accepted (wait), cancel the
rest through its scopes (cancel), give the cancelled a bounded clean-up (clean up), and stop, with what did not even end
then counted as abandoned (finish).
"""

from __future__ import annotations

import enum
import math

import attrs

__all__ = ("DrainLimits", "DrainStep", "DrainView", "next_step")


class DrainStep(enum.Enum):
    """One step of a drain."""

    GRACE = "grace"
    WAIT = "wait"
    CANCEL = "cancel"
    CLEAN_UP = "clean up"
    FINISH = "finish"


@attrs.frozen(kw_only=True)
class DrainLimits:
    """How long each step may take, in seconds."""

    grace_s: float
    timeout_s: float
    cleanup_s: float


@attrs.frozen(kw_only=True)
class DrainView:
    """What a drain can see.

    Args:
        now_s: The clock.
        began_s: When the drain began.
        cancelled_s: When the rest was cancelled; None while it was not.
        in_flight: Accepted messages, queued or running.
        hurried: A second signal came: cancel at once.
    """

    now_s: float
    began_s: float
    cancelled_s: float | None
    in_flight: int
    hurried: bool


def next_step(view: DrainView, limits: DrainLimits) -> tuple[DrainStep, float]:
    """Say what to do now, and until when that holds (a clock reading; infinity where it holds for good)."""
    if view.cancelled_s is not None:
        cleaned_up_s = view.cancelled_s + limits.cleanup_s
        if view.in_flight and view.now_s < cleaned_up_s:
            return DrainStep.CLEAN_UP, cleaned_up_s
        return DrainStep.FINISH, math.inf
    grace_ends_s = view.began_s + limits.grace_s
    if view.now_s < grace_ends_s and not view.hurried:
        return DrainStep.GRACE, grace_ends_s
    if not view.in_flight:
        return DrainStep.FINISH, math.inf
    deadline_s = grace_ends_s + limits.timeout_s
    if view.hurried or view.now_s >= deadline_s:
        return DrainStep.CANCEL, math.inf
    return DrainStep.WAIT, deadline_s
