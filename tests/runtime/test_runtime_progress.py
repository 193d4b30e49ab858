"""How far a drain is, as told while it goes on: virtual time."""

import trio
from trio.testing import MockClock
from virtual_runtime import Worker, running

from rkruntime.runtime import snapshot


async def test_a_drain_tells_what_is_left_and_until_when(autojump_clock: MockClock) -> None:
    async with running(drain_grace=1.0) as runtime:
        ref = await runtime.spawn(Worker, name="busy", concurrency=2)
        for seconds in (2.0, 4.0, 30.0):
            await ref.tell(Worker.work, seconds)
        assert runtime.drain_progress is None
        assert snapshot(runtime)["drain"] is None
        runtime.request_shutdown()
        await trio.sleep(0.5)
        assert snapshot(runtime)["drain"] == {"began_in_flight": 3, "in_flight": 3, "deadline_in_s": 10.5}
        await trio.sleep(2.5)
        assert snapshot(runtime)["drain"] == {"began_in_flight": 3, "in_flight": 2, "deadline_in_s": 8.0}
        await trio.sleep(2.0)
        assert snapshot(runtime)["drain"] == {"began_in_flight": 3, "in_flight": 1, "deadline_in_s": 6.0}
    assert runtime.drain_progress is None
    assert (runtime.report.completed, runtime.report.cancelled) == (2, 1)  # type: ignore[union-attr]


async def test_what_ended_in_the_grace_was_not_in_flight_when_admission_closed(autojump_clock: MockClock) -> None:
    async with running(drain_grace=3.0) as runtime:
        ref = await runtime.spawn(Worker, name="busy", concurrency=2)
        await ref.tell(Worker.work, 2.0)
        await ref.tell(Worker.work, 4.0)
        runtime.request_shutdown()
        await trio.sleep(3.5)
        progress = runtime.drain_progress
        assert progress is not None
        assert (progress.began_in_flight, progress.in_flight) == (1, 1)
