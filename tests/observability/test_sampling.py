"""Which work begins a trace: the fraction asked for, and no more in a second than is allowed."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.observability._sampling import BURST_S, begin_traces


class Clock:
    """Turns only when told to."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def begun(ratio: float, rate_limit: float, waits_s: list[float]) -> list[bool]:
    """Say of each piece of work, so long after the one before it, whether it began a trace."""
    clock = Clock()
    traces = begin_traces(ratio, rate_limit, clock)
    said = []
    for wait_s in waits_s:
        clock.now_s += wait_s
        said.append(next(traces) is not None)
    return said


def test_calm_work_is_traced_all() -> None:
    assert all(begun(1.0, 100, [0.02] * 500))


def test_nothing_is_traced_at_a_ratio_of_0() -> None:
    assert not any(begun(0.0, 100, [1.0] * 100))


def test_busy_work_is_traced_as_often_as_allowed_and_no_more() -> None:
    said = begun(1.0, 100, [1e-4] * 100_000)  # ten seconds of ten thousand messages each
    assert sum(said) == pytest.approx(10 * 100 + BURST_S * 100, rel=0.05)
    tenths = [sum(said[start : start + 1_000]) for start in range(20_000, 100_000, 1_000)]
    assert all(8 <= tenth <= 12 for tenth in tenths), "spread over time, and not all at the start of each second"


@given(
    st.sampled_from([1.0, 0.5, 0.1]),
    st.integers(1, 50),
    st.lists(st.sampled_from([0.0, 1e-3, 0.1, 3.0]), min_size=1, max_size=300),
)
def test_no_stretch_of_time_has_more_than_its_rate_and_one_burst(
    ratio: float, rate_limit: int, waits_s: list[float]
) -> None:
    at_s = [*itertools.accumulate(waits_s)]
    traced_s = [when for when, told in zip(at_s, begun(ratio, rate_limit, waits_s), strict=True) if told]
    for first, last in itertools.combinations(range(len(traced_s)), 2):
        length_s = traced_s[last] - traced_s[first]
        assert last - first <= rate_limit * (length_s + BURST_S) + 1e-6


def test_the_fraction_is_drawn_at_random() -> None:
    said = begun(0.25, 1e9, [1.0] * 4_000)
    assert 750 < sum(said) < 1_250, "a binomial of 4,000 at 0.25 strays so far once in 10^18"
