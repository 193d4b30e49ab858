import math

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, floats, integers, lists, sampled_from

from rkruntime.actors._restart import (
    Decision,
    Policy,
    Restart,
    Strategy,
    affected,
    backoff_s,
    decide,
    within_window,
)


@pytest.mark.parametrize(
    ("policy", "crashed", "decision"),
    [
        ("permanent", True, Decision.RESTART),
        ("permanent", False, Decision.RESTART),
        ("transient", True, Decision.RESTART),
        ("transient", False, Decision.STOP),
        ("temporary", True, Decision.STOP),
        ("temporary", False, Decision.STOP),
    ],
)
def test_policies(policy: str, crashed: bool, decision: Decision) -> None:
    assert decide(Restart(policy=policy), (), 0.0, crashed=crashed) is decision


def test_the_window_is_exact_at_its_edges() -> None:
    restart = Restart(max_restarts=2, within=10.0)
    assert decide(restart, (0.0, 5.0), 9.999, crashed=True) is Decision.ESCALATE
    assert decide(restart, (0.0, 5.0), 10.0, crashed=True) is Decision.RESTART
    assert within_window((0.0, 5.0, 9.0), 10.0, 5.0) == (9.0,)
    assert decide(Restart(max_restarts=0), (), 0.0, crashed=True) is Decision.ESCALATE


@given(lists(floats(0, 100)), floats(100, 200), floats(0.1, 100), integers(0, 5), booleans())
def test_no_window_ever_holds_more_than_its_limit(restarts_s, now_s, within_s, limit, crashed) -> None:
    restart = Restart(max_restarts=limit, within=within_s)
    counted = [at for at in restarts_s if now_s - at < within_s]
    decision = decide(restart, restarts_s, now_s, crashed=crashed)
    assert (decision is Decision.RESTART) == (len(counted) < limit)


@given(floats(0, 5), floats(0, 20), floats(0, 1), integers(0, 500), floats(0, 1, exclude_max=True))
def test_backoff_doubles_up_to_its_bound(first_s, most_s, jitter, earlier, random) -> None:
    restart = Restart(backoff=first_s, max_backoff=most_s, jitter=jitter)
    waited = backoff_s(restart, earlier, random)
    assert 0 <= waited <= most_s * (1 + jitter) + 1e-9
    assert waited == pytest.approx(min(first_s * 2.0 ** min(earlier, 60), most_s) * (1 + jitter * (2 * random - 1)))
    assert math.isfinite(waited)


@given(sampled_from(Strategy), integers(1, 20), integers(0, 19))
def test_who_restarts(strategy: Strategy, children: int, crashed: int) -> None:
    crashed %= children
    expected = {
        Strategy.ONE_FOR_ONE: [crashed],
        Strategy.ONE_FOR_ALL: list(range(children)),
        Strategy.REST_FOR_ONE: list(range(crashed, children)),
    }
    assert list(affected(strategy, crashed, children)) == expected[strategy]


@pytest.mark.parametrize(
    "bad", [{"max_restarts": -1}, {"within": 0}, {"policy": "always"}, {"strategy": "some"}, {"jitter": 2}]
)
def test_bad_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Restart(**bad)


def test_policies_have_names() -> None:
    assert Restart(policy="temporary").policy is Policy.TEMPORARY
