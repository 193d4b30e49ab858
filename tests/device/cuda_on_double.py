"""The CUDA device's own behaviour on the driver double; run in a process of its own by test_device_cuda.py."""

from __future__ import annotations

import gc
import threading

import driver_double
import numpy as np
import pytest
import trio
from numba import cuda
from trio.testing import MockClock, wait_all_tasks_blocked

from rkruntime.device import KernelSource, survey
from rkruntime.device._cuda import CudaDevice
from rkruntime.errors import BufferMisuse, DeviceLost, DeviceUnavailable, InvalidLaunch, KernelCompileError, KernelFault

ONE = (1, 1, 1)
DOUBLE = driver_double.install()


def double_all(x):
    x *= 2


TWICE = KernelSource(double_all, "double_all")


@pytest.fixture
def driver():
    gc.collect()
    cuda.current_context().memory_manager.deallocations.clear()
    DOUBLE.reset()
    yield DOUBLE
    DOUBLE.reset()
    DOUBLE.release()


@pytest.fixture
def device(driver):
    device = CudaDevice()
    yield device
    device.close()


def array(device, stream, host):
    there = device.array(device.allocate(host.nbytes), host.shape, host.dtype)
    device.copy_in(there, host, stream)
    return there


def launch(device, stream, *args, kernel=TWICE):
    return device.launch(device.compile(kernel, args), ONE, ONE, args, stream)


async def test_waiting_polls_until_the_event_comes(device, driver, autojump_clock: MockClock) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    driver.hold()
    event = launch(device, stream, there)
    assert not event.done

    async def release() -> None:
        await trio.sleep(0.5)
        driver.release()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(release)
        await device.wait(event)
        assert 0.5 <= trio.current_time() <= 0.5011
    assert driver.calls["cuEventQuery"] < 600


async def test_many_events_are_watched_by_one_task(device, driver, autojump_clock: MockClock) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    driver.hold()
    called: list[int] = []
    for number in range(20):
        device.on_done(launch(device, stream, there), lambda number=number: called.append(number))
    await trio.sleep(0.1)
    assert called == []
    driver.release()
    await trio.sleep(0.01)
    assert called == list(range(20))
    await wait_all_tasks_blocked()
    device.on_done(launch(device, stream, there), lambda: called.append(-1))
    assert called[-1] == -1


async def test_run_time_is_the_devices_own(device, driver) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    driver.kernel_ms = 7.0
    event = launch(device, stream, there)
    await device.wait(event)
    assert event.timing is not None
    assert event.timing.ran_s == pytest.approx(0.007)
    assert event.timing.queued_s >= 0


async def test_queue_time_counts_from_the_work_that_found_the_stream_idle(device, driver) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    driver.kernel_ms = 60_000.0
    driver.hold()
    events = [launch(device, stream, there) for _ in range(3)]
    driver.release()
    queued_s = [event.timing.queued_s for event in events]
    assert queued_s[0] == 0.0
    assert 50.0 < queued_s[1] <= 60.0
    assert 100.0 < queued_s[2] <= 120.0


def test_too_much_memory_is_a_memory_error(device, driver) -> None:
    with pytest.raises(MemoryError):
        device.allocate(driver_double.TOTAL_BYTES + 1)
    device.free(device.allocate(1024), 1024)


def test_memory_freed_under_running_work_goes_back_when_it_must(device, driver) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    most = driver_double.TOTAL_BYTES * 3 // 4
    big = device.allocate(most)
    driver.hold()
    launch(device, stream, there)
    device.free(big, most)
    assert driver.calls["cuMemFree"] == 0
    assert device.allocate(most)
    assert driver.calls["cuMemFree"] == 1


def test_a_closed_streams_work_still_keeps_the_device_busy(device, driver) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    other = device.allocate(64)
    driver.hold()
    launch(device, stream, there)
    stream.close()
    del stream
    device.free(other, 64)
    assert driver.calls["cuMemFree"] == 0
    driver.release()
    device.free(device.allocate(64), 64)
    assert driver.calls["cuMemFree"] == 2


def test_memory_goes_back_at_once_where_the_device_is_idle(device, driver) -> None:
    cuda.current_context().memory_manager.deallocations.clear()
    before_bytes = driver.live_bytes
    device.free(device.allocate(4096), 4096)
    assert driver.live_bytes == before_bytes


def test_wrong_frees_and_views(device) -> None:
    address = device.allocate(256)
    with pytest.raises(BufferMisuse):
        device.array(address, (65,), np.dtype(np.float32))
    device.free(address, 256)
    with pytest.raises(BufferMisuse):
        device.free(address, 256)
    with pytest.raises(BufferMisuse):
        device.free_staging(address, 256)
    with pytest.raises(BufferMisuse):
        device.array(address, (1,), np.dtype(np.float32))


@pytest.mark.parametrize(
    "code",
    ["CUDA_ERROR_ILLEGAL_ADDRESS", "CUDA_ERROR_LAUNCH_TIMEOUT", "CUDA_ERROR_UNKNOWN", "CUDA_ERROR_ECC_UNCORRECTABLE"],
)
async def test_an_error_while_running_loses_the_device(device, driver, code: str) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    address = device.allocate(64)
    driver.hold()
    event = launch(device, stream, there)
    other = stream.record()
    driver.fail("cuEventQuery", code)
    with pytest.raises(DeviceLost) as caught:
        await device.wait(event)
    assert code in caught.value.what
    assert isinstance(other.error, DeviceLost)
    assert isinstance(stream.record().error, DeviceLost)
    for call in (lambda: device.allocate(8), device.stream, lambda: device.allocate_staging(8)):
        with pytest.raises(DeviceLost):
            call()
    with pytest.raises(DeviceLost):
        launch(device, stream, there)
    device.free(address, 64)


@pytest.mark.parametrize("function", ["cuMemcpyHtoDAsync", "cuMemsetD8Async", "cuStreamCreate", "cuMemHostAlloc"])
def test_an_error_while_submitting_loses_the_device(device, driver, function: str) -> None:
    stream, address = device.stream(), device.allocate(32)
    there = device.array(address, (4,), np.dtype(np.float64))
    driver.fail(function, "CUDA_ERROR_ILLEGAL_ADDRESS")
    calls = {
        "cuMemcpyHtoDAsync": lambda: device.copy_in(there, np.ones(4), stream),
        "cuMemsetD8Async": lambda: device.zero(address, 32, stream),
        "cuStreamCreate": device.stream,
        "cuMemHostAlloc": lambda: device.allocate_staging(64),
    }
    with pytest.raises(DeviceLost):
        calls[function]()


async def test_a_launch_the_driver_refuses_leaves_the_device(device, driver) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    driver.fail("launch", "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES")
    with pytest.raises(InvalidLaunch, match="LAUNCH_OUT_OF_RESOURCES"):
        launch(device, stream, there)
    await device.wait(launch(device, stream, there))


async def test_a_debug_kernels_exception_is_a_fault(device, driver) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    driver.launch_error = ZeroDivisionError(
        "In function 'double_all', file /kernels/mine.py, line 17, tid=[0, 0, 31] ctaid=[2, 1, 5]: division by zero"
    )
    with pytest.raises(KernelFault) as caught:
        await device.wait(launch(device, stream, there))
    fault = caught.value
    assert (fault.file, fault.line, fault.block, fault.thread) == ("/kernels/mine.py", 17, (5, 1, 2), (31, 0, 0))
    driver.launch_error = None
    await device.wait(launch(device, stream, there))


async def test_a_cuda_launch_cannot_be_stopped(device, driver, autojump_clock: MockClock) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    driver.hold()
    event = launch(device, stream, there)
    assert not device.cancel(event)
    with trio.move_on_after(1) as scope:
        await device.wait(event)
    assert scope.cancelled_caught
    assert not event.done


async def test_other_threads_may_compile_and_nothing_else(device, driver) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    await trio.to_thread.run_sync(device.compile, TWICE, (there,))
    assert device.is_compiled(TWICE, (there,))
    raised: list[BaseException] = []

    def allocate() -> None:
        try:
            device.allocate(64)
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join()
    assert len(raised) == 1


def test_preferred_block_and_explanation(device) -> None:
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    compiled = device.compile(TWICE, (there,))
    assert device.preferred_block(compiled) == 256
    assert ".target sm_80" in compiled.explain()
    assert "40 registers" in compiled.explain()


def test_given_dispatchers_are_used_as_they_are(device, driver) -> None:
    dispatcher = cuda.jit(double_all)
    kernel = KernelSource(double_all, "mine", dispatcher=dispatcher)
    stream = device.stream()
    there = array(device, stream, np.ones(4))
    assert launch(device, stream, there, kernel=kernel).done
    assert driver.launches == [("double_all", ONE, ONE, 0)]


def test_an_argument_without_a_type_is_a_compile_error(device) -> None:
    with pytest.raises(KernelCompileError) as caught:
        device.compile(TWICE, (object(),))
    assert caught.value.line == double_all.__code__.co_firstlineno


def test_closing_gives_the_memory_back(driver) -> None:
    cuda.current_context().memory_manager.deallocations.clear()
    before = dict(driver.live)
    device = CudaDevice()
    stream = device.stream()
    array(device, stream, np.ones(4))
    device.allocate_staging(64)
    device.close()
    device.close()
    assert driver.live == before
    with pytest.raises(DeviceLost, match="closed"):
        device.allocate(8)


def test_a_gpu_without_a_compiler_is_not_opened(driver) -> None:
    driver.libraries_missing.add("nvvm")
    with pytest.raises(DeviceUnavailable, match=r"no nvvm.*rkruntime\[cuda\]"):
        CudaDevice()


def test_a_driver_that_finds_no_gpu_is_not_opened(driver) -> None:
    driver.fail("cuMemGetInfo", "CUDA_ERROR_DEVICE_UNAVAILABLE")
    with pytest.raises(DeviceUnavailable, match="CUDA_ERROR_DEVICE_UNAVAILABLE"):
        CudaDevice()


def test_a_survey_lists_driver_and_gpus(driver) -> None:
    found = survey()
    assert found.missing is None
    assert found.driver is not None
    assert len(found.gpus) == 1
    assert "." in found.gpus[0].capability
