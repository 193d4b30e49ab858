import math

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, floats, integers, none, one_of

from rkruntime.runtime._drain import DrainLimits, DrainStep, DrainView, next_step

LIMITS = DrainLimits(grace_s=2.0, timeout_s=10.0, cleanup_s=3.0)


@pytest.mark.parametrize(
    ("now_s", "cancelled_s", "in_flight", "hurried", "step", "until_s"),
    [
        (0.0, None, 0, False, DrainStep.GRACE, 2.0),
        (0.0, None, 5, False, DrainStep.GRACE, 2.0),
        (0.0, None, 0, True, DrainStep.FINISH, math.inf),
        (0.0, None, 5, True, DrainStep.CANCEL, math.inf),
        (2.0, None, 0, False, DrainStep.FINISH, math.inf),
        (2.0, None, 5, False, DrainStep.WAIT, 12.0),
        (11.9, None, 1, False, DrainStep.WAIT, 12.0),
        (11.9, None, 1, True, DrainStep.CANCEL, math.inf),
        (12.0, None, 1, False, DrainStep.CANCEL, math.inf),
        (12.0, 12.0, 1, False, DrainStep.CLEAN_UP, 15.0),
        (14.9, 12.0, 1, True, DrainStep.CLEAN_UP, 15.0),
        (13.0, 12.0, 0, False, DrainStep.FINISH, math.inf),
        (15.0, 12.0, 1, False, DrainStep.FINISH, math.inf),
    ],
)
def test_steps(now_s, cancelled_s, in_flight, hurried, step, until_s) -> None:
    view = DrainView(now_s=now_s, began_s=0.0, cancelled_s=cancelled_s, in_flight=in_flight, hurried=hurried)
    assert next_step(view, LIMITS) == (step, until_s)


seconds = floats(0, 100)


@given(seconds, one_of(none(), seconds), integers(0, 3), booleans(), seconds, seconds, seconds)
def test_every_wait_lies_ahead_and_ends(now_s, cancelled_s, in_flight, hurried, grace_s, timeout_s, cleanup_s) -> None:
    """A step that waits names a time ahead of now, so that the drain always gets on; and it never waits on nothing."""
    limits = DrainLimits(grace_s=grace_s, timeout_s=timeout_s, cleanup_s=cleanup_s)
    view = DrainView(now_s=now_s, began_s=0.0, cancelled_s=cancelled_s, in_flight=in_flight, hurried=hurried)
    step, until_s = next_step(view, limits)
    if step in (DrainStep.GRACE, DrainStep.WAIT, DrainStep.CLEAN_UP):
        assert now_s < until_s < math.inf
    if step in (DrainStep.WAIT, DrainStep.CLEAN_UP, DrainStep.CANCEL):
        assert in_flight
    if step is DrainStep.CANCEL:
        assert cancelled_s is None
    if step is DrainStep.WAIT:
        assert not hurried
