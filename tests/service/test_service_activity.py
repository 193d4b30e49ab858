"""What the dashboard counts: pure, fed with records."""

import asyncio

import pytest

from rkruntime.actors import ActorEvent
from rkruntime.kernels import LaunchDone
from rkruntime.runtime import State, Transition
from rkruntime.service._activity import MOST_ERRORS, MOST_KERNELS, RECENT, Activity
from rkruntime.service._feed import Feed


def done(kernel: str, took_s: float, outcome: str = "completed", error: str = "") -> LaunchDone:
    return LaunchDone(1, kernel, kernel, outcome, 0.0, took_s, None, error)


def test_launches_are_counted_by_kernel_the_busiest_first() -> None:
    activity = Activity()
    for tenth in range(1, 11):
        activity(done("saxpy", tenth / 10))
    activity(done("sobel", 9.0, "failed", "KernelFault: a division by zero"))
    activity(done("sobel", 9.0, "cancelled"))
    saxpy, sobel = activity.kernels()
    assert (saxpy["name"], saxpy["launches"], saxpy["failed"]) == ("saxpy", 10, 0)
    assert saxpy["p50_s"] == pytest.approx(0.55)
    assert saxpy["p95_s"] == pytest.approx(0.955)
    assert saxpy["max_s"] == 1.0
    assert (sobel["launches"], sobel["failed"], sobel["cancelled"]) == (2, 1, 1)
    assert (sobel["p50_s"], sobel["max_s"]) == (None, None)


def test_times_are_those_of_the_latest_launches() -> None:
    activity = Activity()
    activity(done("k", 100.0))
    for _ in range(RECENT):
        activity(done("k", 1.0))
    assert activity.kernels()[0]["p95_s"] == 1.0
    assert activity.kernels()[0]["max_s"] == 100.0


def test_what_is_kept_is_bounded() -> None:
    activity = Activity()
    for number in range(3 * MOST_KERNELS):
        activity(done(f"k{number}", 1.0, "failed", f"ValueError: {number}"))
    assert len(activity.kernels()) == MOST_KERNELS
    errors = activity.errors()
    assert len(errors) == MOST_ERRORS
    assert errors[0]["error"] == f"ValueError: {3 * MOST_KERNELS - 1}"


def test_errors_say_where() -> None:
    activity = Activity()
    activity(ActorEvent(actor="heat", what="crashed", at_s=0.0, error="ValueError: no plate"))
    activity(ActorEvent(actor="heat", what="restarted", at_s=0.0))
    activity(Transition(before=State.RUNNING, after=State.FAILED, at_s=0.0, cause="DeviceLost: gone"))
    assert [(e["where"], e["error"]) for e in activity.errors()] == [
        ("runtime failed", "DeviceLost: gone"),
        ("actor heat crashed", "ValueError: no plate"),
    ]


def test_one_snapshot_serves_all_who_follow() -> None:
    now_s, made = 0.0, 0

    async def make() -> bytes:
        nonlocal made
        await asyncio.sleep(0)
        made += 1
        return str(made).encode()

    async def follow() -> None:
        nonlocal now_s
        feed = Feed(lambda: now_s)
        assert await asyncio.gather(*(feed.latest(make) for _ in range(50))) == [b"1"] * 50
        now_s = 0.4
        assert await feed.latest(make) == b"1"
        now_s = 1.0
        assert await asyncio.gather(feed.latest(make), feed.latest(make)) == [b"2"] * 2

    asyncio.run(follow())
