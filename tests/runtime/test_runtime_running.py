"""The runtime from start to stop, in virtual time, on a fake device."""

from typing import Any

import attrs
import numpy as np
import pytest
import trio
from virtual_runtime import Worker, running

from rkruntime.actors import Restart
from rkruntime.config import MemoryConfig, RuntimeConfig
from rkruntime.errors import (
    ActorCrashed,
    AlreadyStarted,
    CanaryFailed,
    DeviceLost,
    Draining,
    InstanceLimit,
    MemoryPressure,
    MessageCancelled,
    NotRunning,
    RestartLimit,
    UnreachableState,
)
from rkruntime.runtime import Runtime, RuntimeBuilder, State, Transition, open_runtime
from rkruntime.testing import FakeDevice, RecordingHook


def scale(x: np.ndarray, factor: float) -> None:
    """A fake kernel: the fake device calls it once a launch."""
    x[:] *= factor


async def test_states_in_order_and_everything_released(autojump_clock: trio.testing.MockClock) -> None:
    device, hook = FakeDevice(), RecordingHook()
    async with running(device, hook) as runtime:
        assert runtime.state is State.RUNNING
        assert (runtime.health.live, runtime.health.ready) == (True, True)
        ref = await runtime.spawn(Worker)
        assert await ref.ask(Worker.work, 3.0) == 3.0
        kept = await runtime.zeros(1000, np.float32)
        assert kept.size == 1000
        kept.free()
    assert runtime.state is State.STOPPED
    assert (runtime.health.live, runtime.health.ready) == (False, False)
    moves = [(t.before, t.after) for t in hook.of(Transition)]
    assert moves == [
        (State.CREATED, State.STARTING),
        (State.STARTING, State.RUNNING),
        (State.RUNNING, State.DRAINING),
        (State.DRAINING, State.STOPPED),
    ]
    assert device.closed
    assert not device.memory.live
    assert runtime.report is not None
    assert runtime.report.clean
    assert runtime.report.in_flight == 0


async def test_nursery_start_and_shutdown(autojump_clock: trio.testing.MockClock) -> None:
    runtime = RuntimeBuilder().preset("testing").with_device(FakeDevice()).build()
    assert runtime.state is State.CREATED
    with pytest.raises(NotRunning):
        await runtime.spawn(Worker)
    with pytest.raises(NotRunning):
        await runtime.shutdown()
    async with trio.open_nursery() as nursery:
        assert await nursery.start(runtime.run) is runtime
        await runtime.wait_for(State.RUNNING)
        with pytest.raises(AlreadyStarted):
            await runtime.run()
        report = await runtime.shutdown()
        assert report is await runtime.shutdown()
    assert runtime.state is State.STOPPED
    with pytest.raises(NotRunning):
        await runtime.spawn(Worker)
    with pytest.raises(UnreachableState):
        await runtime.wait_for(State.RUNNING)
    with pytest.raises(AlreadyStarted):
        await runtime.run()


async def test_drain_finishes_what_was_accepted_and_refuses_the_rest(autojump_clock: trio.testing.MockClock) -> None:
    results = []
    async with trio.open_nursery() as nursery, running() as runtime:
        ref = await runtime.spawn(Worker)

        async def ask(seconds: float) -> None:
            results.append(await ref.ask(Worker.work, seconds))

        for seconds in (1.0, 2.0, 3.0):  # one runs, two wait
            nursery.start_soon(ask, seconds)
        await trio.testing.wait_all_tasks_blocked()
        runtime.request_shutdown()
        await trio.testing.wait_all_tasks_blocked()
        assert runtime.state is State.DRAINING
        assert (runtime.health.live, runtime.health.ready) == (True, False)
        for refused in (
            lambda: ref.ask(Worker.work, 1.0),
            lambda: ref.tell(Worker.work, 1.0),
            lambda: runtime.spawn(Worker),
        ):
            with pytest.raises(Draining) as caught:
                await refused()
            assert 0 < caught.value.retry_after_s <= 10
    assert sorted(results) == [1.0, 2.0, 3.0]
    report = runtime.report
    assert report is not None
    assert (report.completed, report.cancelled, report.failed, report.abandoned) == (3, 0, 0, 0)
    assert report.duration_s == pytest.approx(6.0)


async def test_deadline_cancels_the_rest(autojump_clock: trio.testing.MockClock) -> None:
    outcomes = []
    async with trio.open_nursery() as nursery, running(shutdown_timeout=4.0) as runtime:
        ref = await runtime.spawn(Worker)

        async def ask(seconds: float) -> None:
            try:
                outcomes.append(await ref.ask(Worker.work, seconds))
            except MessageCancelled:
                outcomes.append("cancelled")

        for seconds in (3.0, 30.0, 30.0):
            nursery.start_soon(ask, seconds)
            await trio.testing.wait_all_tasks_blocked()
    assert outcomes[0] == 3.0
    assert outcomes[1:] == ["cancelled", "cancelled"]
    report = runtime.report
    assert (report.completed, report.cancelled, report.failed, report.abandoned) == (1, 2, 0, 0)
    assert report.duration_s == pytest.approx(4.0)
    assert report.by_actor[ref.name].total == 3


@pytest.mark.parametrize(("first_s", "then_s", "took_s"), [(100.0, 3.0, 3.0), (3.0, 5.0, 5.0), (100.0, 0.0, 1.0)])
async def test_a_timeout_given_while_draining_holds_at_once(
    autojump_clock: trio.testing.MockClock, first_s: float, then_s: float, took_s: float
) -> None:
    async with running(drain_grace=0.0) as runtime:
        await (await runtime.spawn(Worker)).tell(Worker.work, 1000.0)
        runtime.request_shutdown(first_s)
        await trio.sleep(1.0)
        runtime.request_shutdown(then_s)
        await trio.sleep_forever()
    assert runtime.report is not None
    assert (runtime.report.cancelled, runtime.report.duration_s) == (1, took_s)


async def test_a_cancellation_in_the_turn_in_which_the_actors_start_ends_the_runtime() -> None:
    class Cancels(FakeDevice):
        async def wait(self, event: Any) -> None:
            await super().wait(event)
            scope.cancel()

    device = Cancels()
    with trio.CancelScope() as scope:
        await Runtime(RuntimeConfig(worker_threads=1), device=device).run()
    assert scope.cancelled_caught
    assert device.closed


async def test_an_error_during_the_drain_cancels_what_is_in_flight(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(KeyError):
        async with running() as runtime:
            await (await runtime.spawn(Worker)).tell(Worker.work, 100.0)
            runtime.request_shutdown()
            await trio.sleep(1.0)
            raise KeyError("the caller's")
    assert runtime.report is not None
    assert (runtime.report.cancelled, runtime.report.abandoned) == (1, 0)


async def test_a_handler_that_shields_is_abandoned(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery, running(shutdown_timeout=1.0, cleanup_timeout=2.0) as runtime:
        slow = await runtime.spawn(Worker, name="slow")
        quick = await runtime.spawn(Worker, name="quick")

        async def ask(ref, cleanup_s: float) -> None:
            with pytest.raises(MessageCancelled if cleanup_s < 2 else Exception):
                await ref.ask(Worker.work_with_cleanup, 60.0, cleanup_s)

        nursery.start_soon(ask, slow, 100.0)
        nursery.start_soon(ask, quick, 1.0)
        await trio.testing.wait_all_tasks_blocked()
    report = runtime.report
    assert (report.cancelled, report.abandoned) == (1, 1)
    assert report.by_actor["slow"].abandoned == 1


async def test_grace_keeps_serving_while_not_ready(autojump_clock: trio.testing.MockClock) -> None:
    async with running(drain_grace=5.0) as runtime:
        ref = await runtime.spawn(Worker)
        runtime.request_shutdown()
        await trio.testing.wait_all_tasks_blocked()
        assert runtime.state is State.DRAINING
        assert not runtime.health.ready
        assert await ref.ask(Worker.work, 4.0) == 4.0
        await trio.sleep(1.5)
    assert runtime.report.duration_s == pytest.approx(5.0)


async def test_hurry_cancels_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery, running(shutdown_timeout=100.0) as runtime:
        ref = await runtime.spawn(Worker)

        async def ask() -> None:
            with pytest.raises(MessageCancelled):
                await ref.ask(Worker.work, 50.0)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        runtime.request_shutdown()
        await trio.testing.wait_all_tasks_blocked()
        runtime.hurry()
    assert runtime.report.duration_s == pytest.approx(0.0)
    assert runtime.report.cancelled == 1


async def test_shutdown_timeout_argument_replaces_the_configured_one(autojump_clock: trio.testing.MockClock) -> None:
    async with trio.open_nursery() as nursery, running(shutdown_timeout=100.0) as runtime:
        ref = await runtime.spawn(Worker)

        async def ask() -> None:
            with pytest.raises(MessageCancelled):
                await ref.ask(Worker.work, 50.0)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        with trio.CancelScope(shield=True):
            report = await runtime.shutdown(timeout=2.0)
        assert report.duration_s == pytest.approx(2.0)


async def test_an_error_in_the_block_comes_out_as_it_is(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(ZeroDivisionError):
        async with running() as runtime:
            ref = await runtime.spawn(Worker)
            await ref.tell(Worker.work, 50.0)
            _ = 1 / 0
    assert runtime.state is State.STOPPED
    assert runtime.report.cancelled == 1


async def test_a_cancelled_block_accounts_for_everything(autojump_clock: trio.testing.MockClock) -> None:
    device = FakeDevice()
    with trio.move_on_after(1.0) as scope:
        async with running(device) as runtime:
            ref = await runtime.spawn(Worker)
            await ref.ask(Worker.work, 50.0)
    assert scope.cancelled_caught
    assert runtime.state is State.STOPPED
    assert device.closed
    assert not device.memory.live


async def test_escalation_fails_the_runtime(autojump_clock: trio.testing.MockClock) -> None:
    device = FakeDevice()
    with pytest.raises(RestartLimit) as caught:
        async with running(device) as runtime:
            ref = await runtime.spawn(Worker, restart=Restart(max_restarts=1, within=60))
            for _ in range(2):
                with pytest.raises(ActorCrashed):
                    await ref.ask(Worker.crash)
            await trio.sleep(1000)
    assert isinstance(caught.value.__cause__, ValueError)
    assert runtime.state is State.FAILED
    assert device.closed


async def test_a_wrong_canary_keeps_the_runtime_from_running() -> None:
    device, hook = FakeDevice(effect=lambda launch: None), RecordingHook()
    with pytest.raises(CanaryFailed) as caught:
        async with running(device, hook):
            raise AssertionError("never reached")
    assert float(caught.value.expected) == 2016.0
    assert [t.after for t in hook.of(Transition)] == [State.STARTING, State.FAILED] or [
        t.after for t in hook.of(Transition)
    ] == [State.STARTING, State.DRAINING, State.FAILED]
    assert device.closed
    assert not device.memory.live


async def test_instance_limit_counts_live_kernel_actors(autojump_clock: trio.testing.MockClock) -> None:
    async with running(max_kernel_instances=2) as runtime:
        first = await runtime.spawn(scale)
        await runtime.spawn(scale)
        await runtime.spawn(Worker)
        with pytest.raises(InstanceLimit) as caught:
            await runtime.spawn(scale)
        assert (caught.value.limit, caught.value.live) == (2, 2)
        await first.stop()
        await runtime.spawn(scale)


async def test_pressure_refuses_new_kernel_actors(autojump_clock: trio.testing.MockClock) -> None:
    async with running(memory=MemoryConfig(max_gpu_memory=2**20)) as runtime:
        held = [await runtime.zeros(2**16, np.uint8) for _ in range(14)]
        with pytest.raises(MemoryPressure) as caught:
            await runtime.spawn(scale)
        assert caught.value.level == "critical"
        for array in held:
            array.free()
        await runtime.spawn(scale)


async def test_a_kernel_is_an_actor_with_one_message(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as runtime:
        kernel = await runtime.spawn(scale)
        host = np.arange(4, dtype=np.float32)
        record = await kernel.launch(host, 2.0, over=4)
        np.testing.assert_array_equal(host, [0, 2, 4, 6])
        assert record.kernel == "scale"
        assert (record.grid, record.block) == ((1, 1, 1), (256, 1, 1))
        on_device = await runtime.array(host)
        await kernel.launch(on_device, 0.5, over=4)
        np.testing.assert_array_equal(await on_device.copy_to_host(), [0, 1, 2, 3])
        on_device.free()
        assert runtime.actors[0].name == kernel.name


async def test_leaks_are_reported_with_their_place(autojump_clock: trio.testing.MockClock) -> None:
    async with running() as runtime:
        await runtime.zeros(1000, np.float32)
    (leak,) = runtime.report.leaked
    assert leak.owner == "caller"
    assert leak.size_bytes >= 4000
    assert "test_runtime_running.py" in leak.place
    assert not runtime.report.clean


async def test_a_cuda_like_launch_that_cannot_be_stopped_is_abandoned(autojump_clock: trio.testing.MockClock) -> None:
    device = FakeDevice(
        job_s=lambda launch: 0.0 if launch.kernel == "canary" else 1000.0, cancels_kernels=False, host_accessible=False
    )
    async with trio.open_nursery() as nursery, running(device, shutdown_timeout=1.0) as runtime:
        kernel = await runtime.spawn(scale, name="endless")

        async def launch() -> None:
            with pytest.raises(MessageCancelled):
                await kernel.launch(np.ones(4, np.float32), 2.0, over=4)

        nursery.start_soon(launch)
        await trio.testing.wait_all_tasks_blocked()
    assert runtime.report.by_actor["endless"].abandoned == 1
    assert runtime.report.cancelled == 0


async def test_health_is_checked_and_tells(autojump_clock: trio.testing.MockClock) -> None:
    async with running(health_check_interval=5.0) as runtime:
        assert runtime.health.checked_s is None
        await trio.sleep(6.0)
        health = runtime.health
        assert [(check.name, check.ok) for check in health.checks] == [
            ("device", True),
            ("memory", True),
            ("actors", True),
        ]


async def test_a_lost_device_fails_the_runtime(autojump_clock: trio.testing.MockClock) -> None:
    device = FakeDevice()
    with pytest.raises(DeviceLost):
        async with running(device, health_check_interval=5.0) as runtime:
            device.lose()
            await trio.sleep(60)
    assert runtime.state is State.FAILED


async def test_presets_build() -> None:
    for preset in ("development", "production", "hp", "testing"):
        runtime = RuntimeBuilder().preset(preset).with_max_instances(7).with_shutdown_timeout(3).build()
        assert isinstance(runtime, Runtime)
        assert runtime.config == attrs.evolve(
            RuntimeConfig.from_preset(preset), max_kernel_instances=7, shutdown_timeout=3
        )


async def test_open_runtime_takes_the_default_configuration(autojump_clock: trio.testing.MockClock) -> None:
    async with open_runtime(device=FakeDevice()) as runtime:
        assert runtime.config == RuntimeConfig()


async def test_a_group_of_the_blocks_own_nursery_stays_a_group(autojump_clock: trio.testing.MockClock) -> None:
    async def fail() -> None:
        raise ValueError("on purpose")

    with pytest.raises(ExceptionGroup) as caught:
        async with running() as runtime:
            await runtime.spawn(Worker)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail)
    assert [type(error) for error in caught.value.exceptions] == [ValueError]


async def test_a_drain_while_the_blocks_nursery_works_leaves_no_cancelled_behind(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def ask_on(ref) -> None:
        while True:
            await ref.ask(Worker.work, 1.0)

    with pytest.raises(ExceptionGroup) as caught:
        async with running() as runtime:
            ref = await runtime.spawn(Worker)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask_on, ref)
                nursery.start_soon(trio.sleep_forever)
                await trio.sleep(2.5)
                runtime.request_shutdown()
                await trio.sleep_forever()
    assert [type(error) for error in caught.value.exceptions] == [Draining]
    assert runtime.report.completed == 1
