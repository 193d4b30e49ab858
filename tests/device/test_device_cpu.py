"""The CPU device around kernels in Python that the tests can hold up: streams, events, memory, cancellation, close."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from rkruntime.device._cpu import CpuCompiled, CpuDevice
from rkruntime.device._cpu_memory import CpuMemory
from rkruntime.errors import ArgumentMismatch, BufferMisuse, InvalidLaunch, LaunchCancelled, NotRunning
from rkruntime.simt import _state

PATIENCE_S = 20.0
ONE = (1, 1, 1)
_counter = threading.Lock()


class HeldKernel:
    """Calls `each` for every block, by the rules of compiled kernels."""

    lowering = "loop"
    written = frozenset({0})
    compile_s = 0.0

    def __init__(self, each: Callable[..., Any], ns_per_block: float | None = None) -> None:
        self.name = "held"
        self.ns_per_block = ns_per_block
        self.cooperative = False
        self.together = 1
        self.otherwise = None
        self.has_open_loop = False
        self.each = each
        self.threads: list[str] = []

    def drive(self, control: int, state: int, grid: Any, block: Any, shared_bytes: int, args: Any) -> None:
        words = np.ctypeslib.as_array((ctypes.c_int64 * _state.CONTROL_WORDS).from_address(control))
        self.threads.append(threading.current_thread().name)
        while not words[_state.CANCEL]:
            with _counter:
                first = int(words[_state.NEXT])
                words[_state.NEXT] = first + words[_state.CHUNK]
            if first >= words[_state.TOTAL]:
                return
            for _ in range(first, int(min(first + words[_state.CHUNK], words[_state.TOTAL]))):
                self.each(*args)
            if words[_state.YIELD]:
                return

    def fault(self, error: BaseException, state: Any) -> BaseException:
        return error

    def explain(self) -> str:
        return "held"


@pytest.fixture
def device() -> Iterator[CpuDevice]:
    device = CpuDevice(worker_threads=2)
    yield device
    device.close()


def compiled(each: Callable[..., Any], ns_per_block: float | None = None) -> CpuCompiled:
    return CpuCompiled(HeldKernel(each, ns_per_block))


class Gate:
    """A kernel that begins, says so, and waits to be let go."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, *args: Any) -> None:
        self.begun.set()
        assert self.go.wait(PATIENCE_S)


async def test_launch_on_workers_then_wait(device: CpuDevice) -> None:
    out = np.zeros(1)
    kernel = compiled(lambda a: a.__setitem__(0, a[0] + 1))
    event = device.launch(kernel, (3, 1, 1), ONE, (out,), device.stream())
    with trio.fail_after(PATIENCE_S):
        await device.wait(event)
    assert out[0] == 3
    assert event.done
    assert event.timing is not None
    assert event.timing.ran_s > 0
    assert kernel.special.threads[0].startswith("rkruntime-worker")


async def test_small_measured_launches_run_in_place(device: CpuDevice) -> None:
    stream = device.stream()
    kernel = compiled(lambda a, n: None)
    with trio.fail_after(PATIENCE_S):
        await device.wait(device.launch(kernel, ONE, ONE, (np.zeros(4), 8), stream))
    kernel.special.ns_per_block = 100.0
    kernel.special.threads.clear()
    event = device.launch(kernel, ONE, ONE, (np.zeros(4), 8), stream)
    assert event.done
    assert kernel.special.threads == [threading.current_thread().name]


@pytest.mark.parametrize(
    ("args", "ns"),
    [((np.zeros(400), 8), 100.0), ((np.zeros(4), 10_000), 100.0), ((np.zeros(4), 8), 1e6)],
    ids=["larger array", "larger number", "too slow"],
)
async def test_launches_that_may_take_long_go_to_workers(device: CpuDevice, args: Any, ns: float) -> None:
    stream = device.stream()
    kernel = compiled(lambda a, n: None)
    with trio.fail_after(PATIENCE_S):
        await device.wait(device.launch(kernel, ONE, ONE, (np.zeros(4), 8), stream))
        kernel.special.ns_per_block = ns
        kernel.special.threads.clear()
        await device.wait(device.launch(kernel, ONE, ONE, args, stream))
    assert kernel.special.threads[0].startswith("rkruntime-worker")


async def test_a_stream_is_idle_for_whoever_hears_that_its_last_event_is_done(device: CpuDevice) -> None:
    stream, gates, heard = device.stream(), (Gate(), Gate()), []
    events = [device.launch(compiled(gate), ONE, ONE, (), stream) for gate in gates]
    for event in events:
        assert event.then(lambda: heard.append(stream.idle))
    with trio.fail_after(PATIENCE_S):
        for gate, event in zip(gates, events, strict=True):
            gate.go.set()
            await device.wait(event)
    assert heard == [False, True]


async def test_nothing_runs_in_place_while_the_stream_is_busy(device: CpuDevice) -> None:
    stream, gate, out = device.stream(), Gate(), []
    holding = device.launch(compiled(gate), ONE, ONE, (), stream)
    quick = compiled(lambda: out.append("quick"), 100.0)
    quick.measured_extent = 10
    event = device.launch(quick, ONE, ONE, (), stream)
    copied = device.copy_in(np.zeros(2), np.ones(2), stream)
    assert not event.done
    assert not copied.done
    gate.go.set()
    with trio.fail_after(PATIENCE_S):
        await device.wait(copied)
    assert holding.done
    assert out == ["quick"]


async def test_an_error_surfaces_on_its_event_alone(device: CpuDevice) -> None:
    stream = device.stream()
    bad = device.launch(compiled(lambda: [][0]), ONE, ONE, (), stream)
    good = device.launch(compiled(lambda: None), ONE, ONE, (), stream)
    with trio.fail_after(PATIENCE_S):
        with pytest.raises(IndexError):
            await device.wait(bad)
        await device.wait(good)
        with pytest.raises(IndexError):
            await device.wait(bad)
    assert (good.error, type(bad.error)) == (None, IndexError)


async def test_waiting_is_a_checkpoint_even_when_done(device: CpuDevice) -> None:
    event = device.stream().record()
    assert event.done
    with trio.CancelScope() as scope:
        scope.cancel()
        await device.wait(event)
    assert scope.cancelled_caught


async def test_cancelling_a_wait_leaves_the_work(device: CpuDevice) -> None:
    gate = Gate()
    event = device.launch(compiled(gate), ONE, ONE, (), device.stream())
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(device.wait, event)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        assert not event.done
        gate.go.set()
        await device.wait(event)
    assert event.error is None


async def test_many_tasks_wait_for_one_event(device: CpuDevice) -> None:
    gate, woken = Gate(), []
    event = device.launch(compiled(gate), ONE, ONE, (), device.stream())

    async def waits(k: int) -> None:
        await device.wait(event)
        woken.append(k)

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            for k in range(5):
                nursery.start_soon(waits, k)
            await trio.testing.wait_all_tasks_blocked()
            gate.go.set()
    assert sorted(woken) == list(range(5))


async def test_cancel_of_running_and_of_queued_launches(device: CpuDevice) -> None:
    stream, gate, ran = device.stream(), Gate(), []
    running = device.launch(compiled(gate), (1000, 1, 1), ONE, (), stream)
    queued = device.launch(compiled(lambda: ran.append(1)), ONE, ONE, (), stream)
    after = device.launch(compiled(lambda: ran.append(2)), ONE, ONE, (), stream)
    assert gate.begun.wait(PATIENCE_S)
    assert device.cancel(queued)
    assert not queued.done, "what is before it on the stream still runs"
    assert device.cancel(running)
    gate.go.set()
    with trio.fail_after(PATIENCE_S):
        for event in (running, queued):
            with pytest.raises(LaunchCancelled):
                await device.wait(event)
        await device.wait(after)
    assert ran == [2]
    assert not device.cancel(running)
    assert not device.cancel(stream.record())


async def test_on_done_calls_in_the_trio_thread(device: CpuDevice) -> None:
    gate, called = Gate(), trio.Event()
    threads: list[int] = []

    def call() -> None:
        threads.append(threading.get_ident())
        called.set()

    event = device.launch(compiled(gate), ONE, ONE, (), device.stream())
    device.on_done(event, call)
    gate.go.set()
    with trio.fail_after(PATIENCE_S):
        await called.wait()
    device.on_done(event, call)
    assert threads == [threading.get_ident()] * 2


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["launch", "copy", "zero", "fail", "mark"]), max_size=25), st.integers(1, 3))
def test_operations_of_a_stream_run_in_order(kinds: list[str], streams: int) -> None:
    """Each launch notes its number; each stream's numbers come out in order, and its events become done in order."""

    async def main() -> None:
        device = CpuDevice(worker_threads=2, inline_budget_s=0.0)
        try:
            opened = [device.stream() for _ in range(streams)]
            notes: list[list[int]] = [[] for _ in opened]
            finished: list[list[int]] = [[] for _ in opened]
            wanted: list[list[int]] = [[] for _ in opened]
            events = []
            address = device.allocate(1024)
            for number, kind in enumerate(kinds):
                k = number % streams
                stream = opened[k]
                if kind in ("launch", "fail"):
                    event = device.launch(
                        compiled(lambda k, n, fails: (notes[k].append(n), 1 // (not fails))),
                        ONE,
                        ONE,
                        (k, number, kind == "fail"),
                        stream,
                    )
                    wanted[k].append(number)
                elif kind == "copy":
                    event = device.copy_in(np.zeros(9), np.ones(9), stream)
                elif kind == "zero":
                    event = device.zero(address, 1024, stream)
                else:
                    event = stream.record()
                if not event.then(lambda k=k, number=number: finished[k].append(number)):  # type: ignore[misc]
                    finished[k].append(number)
                events.append(event)
            for event, kind in zip(events, kinds, strict=True):
                try:
                    await device.wait(event)
                except ZeroDivisionError:
                    assert kind == "fail"
            assert notes == wanted
            assert finished == [sorted(numbers) for numbers in finished]
            assert sum(map(len, finished)) == len(kinds)
        finally:
            device.close()

    trio.run(main)


@pytest.mark.parametrize("size", [10, 5_000_000])
async def test_copies_and_zeroing(device: CpuDevice, size: int) -> None:
    stream = device.stream()
    address = device.allocate(8 * size)
    there = device.array(address, (size,), np.dtype(np.float64))
    host, back = np.arange(float(size)), np.zeros(size)
    with trio.fail_after(PATIENCE_S):
        await device.wait(device.copy_in(there, host, stream))
        await device.wait(device.copy_out(back, there, stream))
        assert (back == host).all()
        await device.wait(device.zero(address, 8 * size, stream))
    assert not there.any()
    device.free(address, 8 * size)


async def test_copies_between_unlike_arrays_are_refused(device: CpuDevice) -> None:
    for source in (np.zeros(3), np.zeros(4, np.float32)):
        with pytest.raises(ArgumentMismatch):
            device.copy_in(np.zeros(4), source, device.stream())


async def test_launches_outside_the_limits_are_refused(device: CpuDevice) -> None:
    kernel = compiled(lambda: None)
    for grid, block, shared in ((ONE, (2048, 1, 1), 0), ((0, 1, 1), ONE, 0), (ONE, ONE, 10**9)):
        with pytest.raises(InvalidLaunch):
            device.launch(kernel, grid, block, (), device.stream(), shared)


async def test_closed_streams_take_nothing_and_finish_what_they_have(device: CpuDevice) -> None:
    stream, gate = device.stream(), Gate()
    event = device.launch(compiled(gate), ONE, ONE, (), stream)
    stream.close()
    with pytest.raises(BufferMisuse):
        device.launch(compiled(lambda: None), ONE, ONE, (), stream)
    gate.go.set()
    with trio.fail_after(PATIENCE_S):
        await device.wait(event)


def test_close_with_work_in_flight_ends_every_event() -> None:
    device = CpuDevice(worker_threads=2)
    stream, gate = device.stream(), Gate()
    running = device.launch(compiled(gate), (10**6, 1, 1), ONE, (), stream)
    queued = [device.launch(compiled(gate), ONE, ONE, (), stream) for _ in range(3)]
    copy = device.copy_in(np.zeros(2), np.ones(2), stream)
    mark = stream.record()
    assert gate.begun.wait(PATIENCE_S)
    closing = threading.Thread(target=device.close)
    closing.start()
    gate.go.set()
    closing.join(PATIENCE_S)
    assert all(isinstance(event.error, LaunchCancelled) for event in (running, *queued))
    assert copy.done
    assert mark.done
    assert device.allocated_bytes == 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rkruntime-worker")]
    with pytest.raises(NotRunning):
        device.stream()
    device.close()


@given(st.lists(st.integers(0, 100_000), max_size=12), st.randoms())
def test_memory_adds_up(sizes: list[int], random: Any) -> None:
    memory = CpuMemory(10**9)
    held = [(memory.allocate(size), size) for size in sizes]
    assert memory.used_bytes == sum(sizes)
    assert all(address % 256 == 0 for address, _ in held)
    for number, (address, size) in enumerate(held):
        memory.array(address, (size,), np.dtype(np.uint8))[:] = number % 251
    assert all((memory.array(a, (n,), np.dtype(np.uint8)) == k % 251).all() for k, (a, n) in enumerate(held))
    random.shuffle(held)
    for address, size in held:
        memory.free(address, size)
        with pytest.raises(BufferMisuse):
            memory.free(address, size)
    assert memory.used_bytes == 0


def test_memory_refuses_what_is_not_there() -> None:
    memory = CpuMemory(1000)
    memory.allocate(900)
    with pytest.raises(MemoryError):
        memory.allocate(101)
    with pytest.raises(MemoryError):
        CpuMemory(2**62).allocate(2**60)
    assert memory.used_bytes == 900


def test_views_stay_valid_after_free_and_strange_ranges_are_refused() -> None:
    memory = CpuMemory(10**6)
    address = memory.allocate(4096)
    inner = memory.array(address + 1024, (4, 8), np.dtype(np.float32))
    assert inner.flags.c_contiguous
    inner[:] = 7
    memory.free(address, 4096)
    assert (inner == 7).all()
    other = memory.allocate(4096)
    for start, count in ((other, 4097), (other + 4096, 1), (other - 1, 1)):
        with pytest.raises(BufferMisuse):
            memory.array(start, (count,), np.dtype(np.uint8))


def test_properties_say_what_the_machine_is(device: CpuDevice) -> None:
    properties = device.properties
    assert (properties.kind, properties.compute_units) == ("cpu", 2)
    assert properties.host_accessible
    assert properties.cancels_kernels
    assert properties.total_memory_bytes > 2**20
    assert properties.name
