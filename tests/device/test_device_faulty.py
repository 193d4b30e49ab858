"""The faulty device: its script is a pure decision, and each fault looks as it would on a real device."""

from __future__ import annotations

import math

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from rkruntime.device import KernelSource
from rkruntime.device._faults import APPLIES, next_fault
from rkruntime.errors import CopyFailed, DeviceLost, KernelFault, LaunchCancelled
from rkruntime.testing import Call, FakeDevice, Fault, Faults, FaultyDevice

ONE = (1, 1, 1)


def add_one(x):
    x += 1


ADD_ONE = KernelSource(add_one, "add_one")


def launch(device, stream, x):
    return device.launch(device.compile(ADD_ONE, (x,)), ONE, ONE, (x,), stream)


calls = st.sampled_from(list(Call))


@given(st.integers(), calls, st.integers(1, 10_000))
def test_no_shares_no_faults(seed: int, call: Call, number: int) -> None:
    assert next_fault(Faults(seed=seed), number, call) is None


@given(st.integers(), calls, st.integers(1, 10_000))
def test_a_call_has_only_its_own_faults(seed: int, call: Call, number: int) -> None:
    shares = Faults(seed=seed, out_of_memory=0.9, copy_fails=0.5, lost_event=0.3, kernel_fault=0.3, slow_kernel=0.3)
    fault = next_fault(shares, number, call)
    assert fault is None or fault in APPLIES[call]
    assert next_fault(shares, number, call) is fault


@given(st.integers(0, 50))
def test_shares_are_about_what_was_asked(seed: int) -> None:
    script = Faults(seed=seed, out_of_memory=0.25)
    hits = sum(next_fault(script, number, Call.ALLOCATE) is not None for number in range(1, 2001))
    assert 350 < hits < 650


def test_named_calls_come_first_and_alone() -> None:
    script = Faults().at(2, Fault.OUT_OF_MEMORY).at(1, Fault.LOST_EVENT).at(3, Fault.DEVICE_LOSS, Call.COPY)
    assert [next_fault(script, n, Call.ALLOCATE) for n in (1, 2, 3)] == [None, Fault.OUT_OF_MEMORY, None]
    assert next_fault(script, 1, Call.LAUNCH) is Fault.LOST_EVENT
    assert next_fault(script, 1, Call.COPY) is None
    assert next_fault(script, 3, Call.COPY) is Fault.DEVICE_LOSS


def test_scripts_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="add up"):
        Faults(kernel_fault=0.6, slow_kernel=0.6)
    with pytest.raises(ValueError, match="between 0 and 1"):
        Faults(out_of_memory=1.5)
    with pytest.raises(ValueError, match="has no"):
        Faults().at(1, Fault.OUT_OF_MEMORY, Call.LAUNCH)
    with pytest.raises(ValueError, match="from 1"):
        Faults().at(0, Fault.LOST_EVENT)


def test_out_of_memory_leaves_the_device_as_it_was() -> None:
    fake = FakeDevice()
    device = FaultyDevice(fake, Faults().at(1, Fault.OUT_OF_MEMORY))
    with pytest.raises(MemoryError):
        device.allocate(256)
    assert fake.memory.live_bytes == 0
    device.free(device.allocate(256), 256)
    assert device.injected == [(Call.ALLOCATE, 1, Fault.OUT_OF_MEMORY)]


async def test_kernel_fault_and_failing_copy_end_with_their_error() -> None:
    device = FaultyDevice(FakeDevice(), Faults().at(1, Fault.KERNEL_FAULT).at(2, Fault.COPY_FAILS))
    stream = device.stream()
    x = device.array(device.allocate(8), (1,), np.dtype(np.float64))
    await device.wait(device.copy_in(x, np.zeros(1), stream))
    with pytest.raises(KernelFault):
        await device.wait(launch(device, stream, x))
    with pytest.raises(CopyFailed) as caught:
        await device.wait(device.copy_out(np.empty(1), x, stream))
    assert (caught.value.direction, caught.value.size_bytes) == ("out", 8)
    await device.wait(launch(device, stream, x))


async def test_slow_kernel_comes_late(autojump_clock: MockClock) -> None:
    device = FaultyDevice(FakeDevice(job_s=1.0), Faults(slow_s=5.0).at(1, Fault.SLOW_KERNEL))
    stream = device.stream()
    event = launch(device, stream, np.zeros(1))
    record = stream.record()
    await trio.sleep(2)
    assert not event.done
    await device.wait(event)
    assert trio.current_time() == 6.0
    assert record.done
    assert event.timing is not None
    assert event.timing.ran_s == 6.0
    await device.wait(stream.record())
    assert trio.current_time() == 6.0


async def test_slow_kernel_can_be_cancelled(autojump_clock: MockClock) -> None:
    device = FaultyDevice(FakeDevice(job_s=1.0), Faults(slow_s=5.0).at(1, Fault.SLOW_KERNEL))
    event = launch(device, device.stream(), np.zeros(1))
    with trio.move_on_after(0.5):
        await device.wait(event)
    assert device.cancel(event)
    with pytest.raises(LaunchCancelled):
        await device.wait(event)
    assert trio.current_time() == 0.5


async def test_lost_event_never_comes(autojump_clock: MockClock) -> None:
    device = FaultyDevice(FakeDevice(), Faults().at(1, Fault.LOST_EVENT))
    stream = device.stream()
    lost = launch(device, stream, np.zeros(1))
    record = stream.record()
    called: list[bool] = []
    device.on_done(lost, lambda: called.append(True))
    for event in (lost, record):
        with trio.move_on_after(1e9) as scope:
            await device.wait(event)
        assert scope.cancelled_caught
        assert not event.done
    await device.wait(launch(device, stream, np.zeros(1)))
    assert called == []


async def test_loss_ends_every_event_and_call_but_frees(autojump_clock: MockClock) -> None:
    fake = FakeDevice(job_s=math.inf)
    device = FaultyDevice(fake, Faults().at(2, Fault.DEVICE_LOSS))
    stream, address, staging = device.stream(), device.allocate(64), device.allocate_staging(64)
    event = launch(device, stream, np.zeros(1))
    seen: list[BaseException] = []

    async def wait() -> None:
        try:
            await device.wait(event)
        except DeviceLost as error:
            seen.append(error)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        with pytest.raises(DeviceLost):
            launch(device, stream, np.zeros(1))
    assert len(seen) == 1
    assert isinstance(stream.record().error, DeviceLost)
    for call in (lambda: device.allocate(8), device.stream, lambda: device.allocate_staging(8)):
        with pytest.raises(DeviceLost):
            call()
    device.free(address, 64)
    device.free_staging(staging, 64)
    stream.close()
    device.close()
    assert (fake.memory.live_bytes, fake.staging.live_bytes) == (0, 0)
