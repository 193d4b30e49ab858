"""The fake device: its time is Trio's clock, its books balance, and misuse is an error."""

from __future__ import annotations

import math

import numpy as np
import pytest
import trio
from trio.testing import MockClock

from rkruntime.device import KernelSource
from rkruntime.errors import ArgumentMismatch, BufferMisuse, DeviceLost, InvalidLaunch, KernelFault, LaunchCancelled
from rkruntime.testing import FakeArray, FakeDevice

ONE = (1, 1, 1)


def double(x):
    x *= 2


def broken(x):
    raise ZeroDivisionError("by hand")


DOUBLE = KernelSource(double, "double")


def launch(device, stream, *args, kernel=DOUBLE):
    return device.launch(device.compile(kernel, args), ONE, ONE, args, stream)


async def test_work_on_one_stream_runs_in_order_on_trios_clock(autojump_clock: MockClock) -> None:
    device = FakeDevice(job_s=2.0)
    stream = device.stream()
    x = np.ones(3)
    first, second = launch(device, stream, x), launch(device, stream, x)
    assert not first.done
    assert x.tolist() == [1, 1, 1]
    await device.wait(first)
    assert trio.current_time() == 2.0
    assert x.tolist() == [2, 2, 2]
    await device.wait(second)
    assert trio.current_time() == 4.0
    assert x.tolist() == [4, 4, 4]
    assert second.timing is not None
    assert (second.timing.queued_s, second.timing.ran_s) == (2.0, 2.0)


async def test_two_streams_run_side_by_side(autojump_clock: MockClock) -> None:
    device = FakeDevice(job_s=2.0)
    events = [launch(device, device.stream(), np.ones(1)) for _ in range(5)]
    for event in events:
        await device.wait(event)
    assert trio.current_time() == 2.0


async def test_record_stands_for_all_work_before(autojump_clock: MockClock) -> None:
    device = FakeDevice(job_s=1.5)
    stream = device.stream()
    launch(device, stream, np.ones(1))
    launch(device, stream, np.ones(1))
    await device.wait(stream.record())
    assert trio.current_time() == 3.0
    assert stream.record().done


async def test_cancelled_launch_leaves_its_arguments_alone(autojump_clock: MockClock) -> None:
    device = FakeDevice(job_s=10.0, cancel_s=0.5)
    x = np.ones(2)
    stream = device.stream()
    running, queued = launch(device, stream, x), launch(device, stream, x)
    await trio.sleep(1)
    assert device.cancel(queued)
    assert queued.done
    assert device.cancel(running)
    assert not running.done
    with pytest.raises(LaunchCancelled):
        await device.wait(running)
    assert trio.current_time() == 1.5
    assert x.tolist() == [1, 1]
    assert not device.cancel(running)


async def test_waiters_wake_when_the_work_before_theirs_is_cancelled(autojump_clock: MockClock) -> None:
    device = FakeDevice(job_s=lambda launch: 100.0 if len(device.launches) == 0 else 1.0)
    stream = device.stream()
    first, second = launch(device, stream, np.ones(1)), launch(device, stream, np.ones(1))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(device.wait, second)
        await trio.sleep(3)
        device.cancel(first)
    assert trio.current_time() == 4.0


async def test_cuda_like_launches_cannot_be_cancelled(autojump_clock: MockClock) -> None:
    device = FakeDevice(job_s=10.0, cancels_kernels=False)
    event = launch(device, device.stream(), np.ones(1))
    assert not device.cancel(event)
    with trio.move_on_after(1) as scope:
        await device.wait(event)
    assert scope.cancelled_caught
    assert not event.done
    await device.wait(event)
    assert trio.current_time() == 10.0


async def test_event_that_never_comes_can_be_finished_by_hand(autojump_clock: MockClock) -> None:
    device = FakeDevice(job_s=math.inf)
    stream = device.stream()
    event, after = launch(device, stream, np.ones(1)), stream.record()
    calls: list[str] = []
    device.on_done(after, lambda: calls.append("after"))
    with trio.move_on_after(1e6) as scope:
        await device.wait(event)
    assert scope.cancelled_caught
    device.finish(event)
    await trio.testing.wait_all_tasks_blocked()
    assert event.done
    assert after.done
    assert calls == ["after"]


async def test_a_kernel_that_raises_faults_with_its_line() -> None:
    device = FakeDevice()
    event = launch(device, device.stream(), np.ones(1), kernel=KernelSource(broken, "broken"))
    with pytest.raises(KernelFault) as caught:
        await device.wait(event)
    assert caught.value.file == __file__
    assert caught.value.line == broken.__code__.co_firstlineno + 1
    assert "by hand" in caught.value.what


async def test_on_done_calls_in_time(autojump_clock: MockClock) -> None:
    device = FakeDevice(job_s=2.0)
    event = launch(device, device.stream(), np.ones(1))
    called_s: list[float] = []
    device.on_done(event, lambda: called_s.append(trio.current_time()))
    assert called_s == []
    await trio.sleep(5)
    assert called_s == [2.0]
    device.on_done(event, lambda: called_s.append(trio.current_time()))
    assert called_s == [2.0, 5.0]


def test_outside_trio_time_moves_by_hand() -> None:
    device = FakeDevice(job_s=2.0)
    event = launch(device, device.stream(), np.ones(1))
    calls: list[bool] = []
    device.on_done(event, lambda: calls.append(True))
    device.advance(1.9)
    assert not event.done
    device.advance(0.1)
    assert event.done
    assert calls == [True]


def test_memory_is_aligned_bounded_and_counted() -> None:
    device = FakeDevice(capacity_bytes=1000)
    first = device.allocate(600)
    assert first % 256 == 0
    with pytest.raises(MemoryError, match="600"):
        device.allocate(401)
    second = device.allocate(400)
    device.free(first, 600)
    assert (device.memory.live, device.memory.live_bytes, device.memory.peak_bytes) == ({second: 400}, 400, 1000)


@pytest.mark.parametrize("backed", [True, False])
def test_wrong_frees_are_errors(backed: bool) -> None:
    device = FakeDevice(backed=backed)
    address = device.allocate(512)
    with pytest.raises(BufferMisuse, match="another size"):
        device.free(address, 256)
    with pytest.raises(BufferMisuse, match="not one of"):
        device.free(address + 1, 512)
    device.free(address, 512)
    with pytest.raises(BufferMisuse, match="twice"):
        device.free(address, 512)
    with pytest.raises(BufferMisuse):
        device.array(address, (4,), np.dtype(np.float32))


def test_free_under_running_work_is_an_error() -> None:
    device = FakeDevice(job_s=1.0)
    address = device.allocate(512)
    x = device.array(address, (64,), np.dtype(np.float64))
    launch(device, device.stream(), x[8:])
    with pytest.raises(BufferMisuse, match="uses it"):
        device.free(address, 512)
    device.advance(1.0)
    device.free(address, 512)


async def test_memory_that_the_host_cannot_touch() -> None:
    device = FakeDevice(host_accessible=False)
    stream = device.stream()
    x = device.array(device.allocate(32), (2, 2), np.dtype(np.float64))
    assert isinstance(x, FakeArray)
    assert (x.shape, x.size, x.nbytes) == ((2, 2), 4, 32)
    device.copy_in(x, np.full((2, 2), 3.0), stream)
    launch(device, stream, x)
    out = np.empty((2, 2))
    await device.wait(device.copy_out(out, x, stream))
    assert out.tolist() == [[6, 6], [6, 6]]
    with pytest.raises(ArgumentMismatch):
        launch(device, stream, out)
    device.free(x.address, 32)
    with pytest.raises(BufferMisuse):
        launch(device, stream, x)
    assert [(copy.direction, copy.size_bytes) for copy in device.copies] == [("in", 32), ("out", 32)]


async def test_a_copys_source_is_read_when_the_copy_ends(autojump_clock: MockClock) -> None:
    device = FakeDevice(copy_s=1.0)
    x = device.array(device.allocate(8), (1,), np.dtype(np.float64))
    source = np.array([1.0])
    event = device.copy_in(x, source, device.stream())
    source[0] = 2.0
    await device.wait(event)
    assert x[0] == 2.0


async def test_lost_device_ends_what_is_in_flight(autojump_clock: MockClock) -> None:
    device = FakeDevice(job_s=10.0)
    address = device.allocate(8)
    stream = device.stream()
    event = launch(device, stream, device.array(address, (1,), np.dtype(np.float64)))
    device.lose("pulled out")
    with pytest.raises(DeviceLost, match="pulled out"):
        await device.wait(event)
    with pytest.raises(DeviceLost):
        device.allocate(8)
    with pytest.raises(DeviceLost):
        device.zero(address, 8, stream)
    assert isinstance(stream.record().error, DeviceLost)
    device.free(address, 8)
    stream.close()
    device.close()


def test_launch_outside_the_limits() -> None:
    device = FakeDevice()
    stream = device.stream()
    compiled = device.compile(DOUBLE, ())
    for grid, block, shared in [
        ((0, 1, 1), ONE, 0),
        ((1, 70_000, 1), ONE, 0),
        (ONE, (2048, 1, 1), 0),
        (ONE, (64, 32, 1), 0),
        (ONE, ONE, 50_000),
        (ONE, ONE, -1),
    ]:
        with pytest.raises(InvalidLaunch):
            device.launch(compiled, grid, block, (), stream, shared)
    assert device.launches == []
