"""Hooks: every launch, message, crossing and drain is told once, with the ids of the work that it belongs to."""

from typing import Any, ClassVar

import numpy as np
import pytest
import trio

from rkruntime.actors import EndedMessages, MessageDone
from rkruntime.config import MemoryConfig, RuntimeConfig
from rkruntime.context import LAUNCH, TRACE, Trace, current_ids, following
from rkruntime.errors import LaunchCancelled, RkError
from rkruntime.kernels import LaunchDone
from rkruntime.memory import PressureChange, PressureLevel
from rkruntime.runtime import Actor, DrainReport, HookFor, Runtime, Transition, open_runtime
from rkruntime.testing import FakeDevice, RecordingHook

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def fill(out: Any) -> None:
    out[:] = 1


def broken(out: Any) -> None:
    raise ValueError("on purpose")


class Nested(Actor):
    """Launches from inside a message, and says which ids hold there."""

    async def run(self, out: Any) -> dict[str, Any]:
        await self.launch(fill, out, over=out.size)
        return current_ids()

    async def both(self, seconds: float) -> None:
        await trio.sleep(seconds)


async def test_launches_are_told_with_their_actor_and_time(autojump_clock: trio.testing.MockClock) -> None:
    hook = RecordingHook()
    async with open_runtime(device=FakeDevice(job_s=0.5), hooks=[hook]) as runtime:
        kernel = await runtime.spawn(fill, name="filler")
        began_s = trio.current_time()
        record = await kernel.launch(np.zeros(4), over=4)
        (done,) = hook.of(LaunchDone)
    assert done.record == record
    assert (done.kernel, done.actor, done.outcome, done.error) == ("fill", "filler", "completed", "")
    assert (done.began_s, done.took_s) == (began_s, 0.5)
    assert done.launch > 0


async def test_a_launch_that_fails_or_is_cancelled_is_told_too(autojump_clock: trio.testing.MockClock) -> None:
    hook = RecordingHook()
    async with open_runtime(device=FakeDevice(job_s=2.0), hooks=[hook]) as runtime:
        kernel = await runtime.spawn(broken)
        with pytest.raises(RkError):
            await kernel.launch(np.zeros(4), over=4)
        with trio.move_on_after(1.0):
            await kernel.launch(np.zeros(4), over=4)
        await trio.sleep(1.0)
    failed, cancelled = hook.of(LaunchDone)
    assert failed.outcome == "failed"
    assert "on purpose" in failed.error
    assert (cancelled.outcome, cancelled.error, cancelled.record) == ("cancelled", "", None)
    assert cancelled.launch == failed.launch + 1


async def test_a_trace_goes_from_the_caller_through_the_message_to_the_launch(
    autojump_clock: trio.testing.MockClock,
) -> None:
    hook = RecordingHook()
    async with open_runtime(device=FakeDevice(), hooks=[hook]) as runtime:
        nested = await runtime.spawn(Nested, name="nested")
        with following(HEADER, "r-1"):
            ids = await nested.ask(Nested.run, np.zeros(4))
            caller = TRACE.get()
    assert caller is not None
    (message,), (launch,) = hook.of(MessageDone), hook.of(LaunchDone)
    assert message.trace is not None
    assert launch.trace is not None
    assert {message.trace.trace_id, launch.trace.trace_id} == {caller.trace_id}
    assert message.trace.parent_id == caller.span_id
    assert launch.trace.parent_id == message.trace.span_id
    assert ids == {
        "actor": "nested",
        "request_id": "r-1",
        "trace_id": caller.trace_hex,
        "span_id": message.trace.span_hex,
    }


async def test_work_of_an_unsampled_trace_takes_no_spans_of_its_own(autojump_clock: trio.testing.MockClock) -> None:
    hook = RecordingHook()
    async with open_runtime(device=FakeDevice(), hooks=[hook]) as runtime:
        nested = await runtime.spawn(Nested)
        with following(HEADER[:-1] + "0"):
            await nested.ask(Nested.run, np.zeros(4))
            caller = TRACE.get()
        await nested.ask(Nested.run, np.zeros(4))
    assert [done.trace for done in hook.of(LaunchDone)] == [caller, None]
    assert [done.trace for done in hook.of(MessageDone)] == [caller, None]


async def test_a_hook_may_begin_traces(autojump_clock: trio.testing.MockClock) -> None:
    class Beginning(RecordingHook):
        begun: ClassVar[list[Trace]] = []

        def begin_trace(self) -> Trace:
            self.begun.append(Trace.begin())
            return self.begun[-1]

    hook = Beginning()
    async with open_runtime(device=FakeDevice(), hooks=[hook]) as runtime:
        nested = await runtime.spawn(Nested)
        await nested.ask(Nested.run, np.zeros(4))
        with following(HEADER):
            await nested.ask(Nested.run, np.zeros(4))
    first, second = hook.of(MessageDone)
    assert hook.begun == [first.trace]
    assert second.trace is not None
    assert second.trace.trace_hex == HEADER[3:35]


async def test_messages_side_by_side_have_slots_of_their_own(autojump_clock: trio.testing.MockClock) -> None:
    hook = RecordingHook()
    async with open_runtime(device=FakeDevice(), hooks=[hook]) as runtime, trio.open_nursery() as nursery:
        nested = await runtime.spawn(Nested, concurrency=3)
        for seconds in (3.0, 1.0, 2.0, 1.0):
            nursery.start_soon(nested.ask, Nested.both, seconds)
    done = hook.of(MessageDone)
    assert {one.slot for one in done} == {0, 1, 2}
    for one in done:
        others = [each for each in done if each.slot == one.slot and each is not one]
        assert all(
            each.began_s + each.ran_s <= one.began_s or one.began_s + one.ran_s <= each.began_s for each in others
        )
    assert max(one.waited_s for one in done) == 1.0


async def test_pressure_and_the_drain_are_told(autojump_clock: trio.testing.MockClock) -> None:
    hook = RecordingHook()
    config = RuntimeConfig(memory=MemoryConfig(max_gpu_memory=2**20))
    async with open_runtime(config, device=FakeDevice(), hooks=[hook]) as runtime:
        array = await runtime.empty(900 * 1024, np.uint8)
        array.free()
    risen, fallen = hook.of(PressureChange)
    assert (risen.before, risen.after, fallen.after) == (
        PressureLevel.NORMAL,
        PressureLevel.EMERGENCY,
        PressureLevel.NORMAL,
    )
    assert (risen.allocated_bytes, risen.limit_bytes) == (2**20, 2**20)
    assert hook.of(DrainReport) == [runtime.report]
    assert [each.after.value for each in hook.of(Transition)] == ["starting", "running", "draining", "stopped"]


async def test_a_hook_that_raises_is_ignored_and_the_others_hear_of_it_all(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def raising(record: Any) -> None:
        raise ZeroDivisionError

    class Attaching(RecordingHook):
        runtime: Runtime | None = None

        def attach(self, runtime: Runtime) -> None:
            self.runtime = runtime

    hook = Attaching()
    async with open_runtime(device=FakeDevice(), hooks=[raising, hook]) as runtime:
        await (await runtime.spawn(fill)).launch(np.zeros(4), over=4)
    assert hook.runtime is runtime
    assert len(hook.of(LaunchDone)) == 1
    assert len(hook.of(Transition)) == 4
    assert sum("hook raised" in record.message for record in caplog.records) == len(hook.records)


async def test_a_launch_that_somebody_else_stops_counts_as_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    hook = RecordingHook()
    device = FakeDevice(job_s=5.0)
    async with open_runtime(device=device, hooks=[hook]) as runtime, trio.open_nursery() as nursery:
        kernel = await runtime.spawn(fill)

        async def launch() -> None:
            with pytest.raises(LaunchCancelled):
                await kernel.launch(np.zeros(4), over=4)

        nursery.start_soon(launch)
        await trio.testing.wait_all_tasks_blocked()
        device.cancel(device.launches[-1].event)
    assert [done.outcome for done in hook.of(LaunchDone)] == ["cancelled"]


class PatientHook(RecordingHook):
    """Takes messages in batches, and notes when each batch came."""

    def __init__(self) -> None:
        super().__init__()
        self.takes: dict[type, Any] = {}
        self.batches: list[tuple[float, int]] = []

    def take_messages(self, ended: EndedMessages) -> None:
        self.batches.append((trio.current_time(), len(ended)))
        self.records += ended


async def test_a_patient_hook_hears_once_a_second_and_at_the_end(autojump_clock: trio.testing.MockClock) -> None:
    hook = PatientHook()
    async with open_runtime(device=FakeDevice(), hooks=[hook]) as runtime:
        nested = await runtime.spawn(Nested)
        for _ in range(3):
            await nested.ask(Nested.both, 0.4)
        assert hook.batches == [(1.0, 2)]
        runtime.hand_over_messages()
        await nested.ask(Nested.both, 0.1)
    assert hook.batches == [(1.0, 2), (pytest.approx(1.2), 1), (pytest.approx(1.3), 1)]
    assert [done.ran_s for done in hook.of(MessageDone)] == [pytest.approx(each) for each in (0.4, 0.4, 0.4, 0.1)]
    assert hook.of(LaunchDone) == [], "it takes none"


async def test_many_messages_are_handed_over_before_that(autojump_clock: trio.testing.MockClock) -> None:
    hook = PatientHook()
    async with open_runtime(device=FakeDevice(), hooks=[hook]) as runtime:
        nested = await runtime.spawn(Nested)
        for _ in range(1100):
            await nested.ask(Nested.both, 0.0)
    assert [count for _, count in hook.batches] == [512, 512, 76]


async def test_an_eager_hook_beside_it_hears_of_each_message_at_once(autojump_clock: trio.testing.MockClock) -> None:
    patient, eager = PatientHook(), RecordingHook()
    async with open_runtime(device=FakeDevice(), hooks=[patient, eager]) as runtime:
        nested = await runtime.spawn(Nested)
        await nested.ask(Nested.both, 0.5)
        assert len(eager.of(MessageDone)) == 1
        assert eager.of(MessageDone) == patient.of(MessageDone)


async def test_messages_are_timed_by_trios_clock() -> None:
    hook = RecordingHook()
    async with open_runtime(device=FakeDevice(), hooks=[hook]) as runtime:
        nested = await runtime.spawn(Nested)
        before_s = trio.current_time()
        await nested.ask(Nested.both, 0.001)
        after_s = trio.current_time()
    (done,) = hook.of(MessageDone)
    assert before_s <= done.began_s <= done.began_s + done.ran_s <= after_s + 1e-6
    assert done.ran_s >= 0.001


async def test_nobody_who_takes_messages_means_that_none_is_kept(autojump_clock: trio.testing.MockClock) -> None:
    hook = RecordingHook()
    async with open_runtime(device=FakeDevice(), hooks=[HookFor(LaunchDone, hook)]) as runtime:
        assert runtime._parts is not None
        assert runtime._parts.system.message_log is None
        await (await runtime.spawn(fill)).launch(np.zeros(4), over=4)
    assert [type(record) for record in hook.records] == [LaunchDone]


async def test_nobody_who_takes_launches_means_that_none_is_numbered(autojump_clock: trio.testing.MockClock) -> None:
    numbered: list[int] = []

    def note_number(out: Any) -> None:
        numbered.append(LAUNCH.get())

    for kind in (Transition, LaunchDone):
        async with open_runtime(device=FakeDevice(), hooks=[HookFor(kind, RecordingHook())]) as runtime:
            await (await runtime.spawn(note_number)).launch(np.zeros(4), over=4)
    assert numbered[0] == 0
    assert numbered[-1] > 0


class CountingHook(PatientHook):
    counts_alone = True

    def take_messages(self, ended: EndedMessages) -> None:
        self.batches.append((trio.current_time(), len(ended)))
        self.waited_s, self.ran_s = (sum(column) for column in ended.columns("waited_s", "ran_s"))
        self.records += ended.traced()


@pytest.mark.parametrize("beside", [[], [PatientHook()], [RecordingHook()]])
async def test_a_hook_that_only_counts_gets_outcomes_and_times_and_what_is_traced(
    beside: list[Any], autojump_clock: trio.testing.MockClock
) -> None:
    hook = CountingHook()
    async with open_runtime(device=FakeDevice(), hooks=[hook, *beside]) as runtime:
        assert runtime._parts is not None
        log = runtime._parts.system.message_log
        assert log is not None
        assert log.whole == bool(beside), "somebody wants to know more"
        nested = await runtime.spawn(Nested, name="nested")
        await nested.ask(Nested.both, 2.0)
        runtime.hand_over_messages()
        assert (hook.waited_s, hook.ran_s, hook.records) == (0.0, 2.0, [])
        with following(HEADER):
            await nested.ask(Nested.both, 1.0)
    (traced,) = hook.records
    assert (traced.actor, traced.message, traced.outcome, traced.ran_s) == ("nested", "both", "completed", 1.0)
    assert sum(count for _, count in hook.batches) == 2
