"""What every device promises: the same tests on all of them, so that the fake can be trusted."""

from __future__ import annotations

import ctypes
import itertools
import threading

import numpy as np
import pytest
import trio

from rkruntime.device import KernelSource
from rkruntime.errors import InvalidLaunch, LaunchCancelled

ONE = (1, 1, 1)
GIVE_UP_S = 60.0


def scale(x, factor):
    for k in range(x.shape[0]):
        x[k] = x[k] * factor


def add(x, y, out):
    for k in range(out.shape[0]):
        out[k] = x[k] + y[k]


SCALE = KernelSource(scale, "scale")
ADD = KernelSource(add, "add")


class Bench:
    """A stream and blocks on a device, given back at the end."""

    def __init__(self, device):
        self.device = device
        self.stream = device.stream()
        self.blocks = []

    def empty(self, shape, dtype=np.float64):
        dtype = np.dtype(dtype)
        size_bytes = max(1, int(np.prod(shape)) * dtype.itemsize)
        address = self.device.allocate(size_bytes)
        self.blocks.append((address, size_bytes))
        return self.device.array(address, shape, dtype)

    def array(self, host):
        there = self.empty(host.shape, host.dtype)
        self.device.copy_in(there, host, self.stream)
        return there

    async def read(self, array, dtype=np.float64):
        out = np.empty(array.shape, dtype)
        await self.device.wait(self.device.copy_out(out, array, self.stream))
        return out

    def launch(self, source, *args, grid=ONE, block=ONE, shared_bytes=0):
        compiled = self.device.compile(source, args)
        return self.device.launch(compiled, grid, block, args, self.stream, shared_bytes)

    def close(self):
        self.stream.close()
        for address, size_bytes in self.blocks:
            self.device.free(address, size_bytes)


@pytest.fixture
async def bench(subject):
    bench = Bench(subject.device)
    yield bench
    with trio.move_on_after(GIVE_UP_S):
        await subject.device.wait(bench.stream.record())
    bench.close()


@pytest.fixture(autouse=True)
async def no_hang():
    with trio.fail_after(GIVE_UP_S):
        yield


async def test_properties_are_whole(bench) -> None:
    properties = bench.device.properties
    assert properties.kind in {"cpu", "cuda", "fake"}
    assert properties.name
    assert properties.total_memory_bytes > 0
    assert properties.compute_units >= 1
    assert properties.max_threads_per_block >= 32


async def test_addresses_are_aligned_and_apart(bench) -> None:
    for size_bytes in (1, 255, 256, 257, 100_000):
        bench.blocks.append((bench.device.allocate(size_bytes), size_bytes))
    spans = sorted(bench.blocks)
    assert all(address % 256 == 0 for address, _ in spans)
    assert all(one + size <= other for (one, size), (other, _) in itertools.pairwise(spans))


async def test_more_than_there_is_raises_memory_error(bench) -> None:
    with pytest.raises(MemoryError):
        bench.device.allocate(2**50)
    bench.blocks.append((bench.device.allocate(1024), 1024))


async def test_staging_is_host_memory(bench) -> None:
    address = bench.device.allocate_staging(64)
    staged = np.frombuffer((ctypes.c_ubyte * 64).from_address(address), np.float64)
    staged[:] = np.arange(8)
    there = bench.empty((8,))
    await bench.device.wait(bench.device.copy_in(there, staged, bench.stream))
    assert (await bench.read(there)).tolist() == list(range(8))
    bench.device.free_staging(address, 64)


@pytest.mark.parametrize("dtype", ["u1", "i4", "f4", "f8", "c16", "?"])
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (2, 3, 4)])
async def test_copies_arrive(bench, dtype: str, shape: tuple[int, ...]) -> None:
    host = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    there = bench.array(host)
    assert (tuple(there.shape), there.dtype) == (shape, host.dtype)
    np.testing.assert_array_equal(await bench.read(there, host.dtype), host)


async def test_views_begin_anywhere_in_a_block(bench) -> None:
    bench.array(np.arange(64, dtype=np.float64))
    address, _ = bench.blocks[-1]
    view = bench.device.array(address + 80, (2, 3), np.dtype(np.float64))
    assert (await bench.read(view)).tolist() == [[10, 11, 12], [13, 14, 15]]


async def test_zero_clears_bytes(bench) -> None:
    there = bench.array(np.ones(16))
    address, _ = bench.blocks[-1]
    await bench.device.wait(bench.device.zero(address, 64, bench.stream))
    assert (await bench.read(there)).tolist() == [0.0] * 8 + [1.0] * 8


async def test_one_stream_keeps_its_order(bench) -> None:
    there = bench.array(np.ones(4))
    bench.launch(SCALE, there, 2.0)
    bench.launch(SCALE, there, 5.0)
    assert (await bench.read(there)).tolist() == [10.0] * 4


async def test_launch_with_several_arrays(bench) -> None:
    x, y, out = bench.array(np.arange(5.0)), bench.array(np.full(5, 0.5)), bench.empty((5,))
    event = bench.launch(ADD, x, y, out)
    await bench.device.wait(event)
    assert event.done
    assert event.error is None
    assert (await bench.read(out)).tolist() == [0.5, 1.5, 2.5, 3.5, 4.5]


async def test_host_arrays_where_the_host_is_accessible(bench) -> None:
    if not bench.device.properties.host_accessible:
        with pytest.raises(TypeError, match="host array"):
            bench.launch(SCALE, np.ones(3), 2.0)
        return
    x = np.ones(3)
    await bench.device.wait(bench.launch(SCALE, x, 2.0))
    assert x.tolist() == [2.0] * 3


async def test_what_is_compiled_is_kept_and_explains_itself(bench) -> None:
    x, y, out = bench.array(np.arange(5.0)), bench.array(np.ones(5)), bench.empty((5,))
    compiled = bench.device.compile(ADD, (x, y, out))
    assert bench.device.is_compiled(ADD, (x, y, out))
    assert bench.device.compile(ADD, (x, y, out)) is compiled
    assert compiled.name == "add"
    assert 2 in compiled.written
    assert compiled.compile_s >= 0
    assert "add" in compiled.explain()
    assert compiled.lowering in {"lanes", "loop", "fibers", "cuda", "fake"}


async def test_timing_is_known_once_done(bench) -> None:
    event = bench.launch(SCALE, bench.array(np.ones(4)), 2.0)
    await bench.device.wait(event)
    timing = event.timing
    assert timing is None or (timing.queued_s >= 0 and timing.ran_s >= 0)


async def test_record_waits_for_what_was_before(bench) -> None:
    out = np.zeros(4)
    there = bench.array(np.ones(4))
    bench.launch(SCALE, there, 3.0)
    bench.device.copy_out(out, there, bench.stream)
    record = bench.stream.record()
    await bench.device.wait(record)
    assert out.tolist() == [3.0] * 4
    assert record.error is None


async def test_on_done_calls_once_in_the_trio_thread(bench) -> None:
    called: list[int] = []
    over = trio.Event()

    def call() -> None:
        called.append(threading.get_ident())
        over.set()

    event = bench.launch(SCALE, bench.array(np.ones(4)), 2.0)
    bench.device.on_done(event, call)
    await over.wait()
    assert event.done
    bench.device.on_done(event, call)
    assert called == [threading.get_ident()] * 2


async def test_a_cancelled_wait_leaves_the_work_alone(bench) -> None:
    there = bench.array(np.ones(4))
    event = bench.launch(SCALE, there, 2.0)
    with trio.CancelScope() as scope:
        scope.cancel()
        await bench.device.wait(event)
    assert scope.cancelled_caught
    await bench.device.wait(event)
    assert (await bench.read(there)).tolist() == [2.0] * 4


@pytest.mark.parametrize(
    ("grid", "block", "shared_bytes"),
    [((0, 1, 1), ONE, 0), (ONE, (0, 1, 1), 0), (ONE, (2**20, 1, 1), 0), (ONE, (64, 64, 1), 0), (ONE, ONE, 2**30)],
)
async def test_launches_outside_the_limits_are_refused(bench, grid, block, shared_bytes) -> None:
    there = bench.array(np.ones(4))
    with pytest.raises(InvalidLaunch):
        bench.launch(SCALE, there, 2.0, grid=grid, block=block, shared_bytes=shared_bytes)
    await bench.device.wait(bench.launch(SCALE, there, 2.0))
    assert (await bench.read(there)).tolist() == [2.0] * 4


async def test_cancel_stops_a_launch_or_says_that_it_cannot(subject, bench) -> None:
    there = bench.array(np.zeros(2))
    if subject.endless is None:
        assert not bench.device.cancel(bench.launch(SCALE, there, 2.0))
        return
    event = bench.launch(subject.endless, there)
    await trio.testing.wait_all_tasks_blocked()
    assert not event.done
    assert bench.device.cancel(event)
    with pytest.raises(LaunchCancelled):
        await bench.device.wait(event)
    assert isinstance(event.error, LaunchCancelled)
    x = bench.array(np.ones(4))
    bench.launch(SCALE, x, 2.0)
    assert (await bench.read(x)).tolist() == [2.0] * 4


async def test_closing_twice_is_closing_once(subject) -> None:
    subject.device.close()
    subject.device.close()
