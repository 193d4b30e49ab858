"""Launching: what is copied, what is refused, and what is left after failure and cancellation."""

import math
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import trio

from rkruntime.config import MemoryConfig
from rkruntime.errors import ArgumentMismatch, BufferMisuse, InvalidLaunch, KernelFault, OutOfDeviceMemory
from rkruntime.kernels import Compilations, In, InOut, Launcher, Out, as_spec, kernel
from rkruntime.memory import KernelMemoryManager
from rkruntime.testing import FakeDevice


def scale(a, x, out):
    out[...] = a * x


def stamp(a, x):
    x[...] = a


def fail(x):
    raise ValueError("no")


def optional(x, a=3.0):
    x[...] = a


def nothing():
    pass


class Bench:
    """A launcher on a fake device, with its books."""

    def __init__(self, memory_bytes: int = 2**24, **options: Any) -> None:
        self.unstoppable: list[Any] = []
        self.device = FakeDevice(**options)
        self.manager = KernelMemoryManager(MemoryConfig(max_gpu_memory=memory_bytes), self.device)
        self.memory = self.manager.owner("test")
        self.stream = self.device.stream()
        self.launcher = Launcher(
            self.device, self.memory, self.stream, cleanup_s=5.0, on_unstoppable=self.unstoppable.append
        )
        self.launch = self.launcher.launch

    @property
    def held_bytes(self) -> int:
        return self.memory.allocated_bytes


@pytest.fixture(params=[True, False], ids=["host-accessible", "discrete"])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(host_accessible=request.param)
    yield made
    assert made.held_bytes == 0


async def test_result_arrives_and_the_record_says_what_ran(bench: Bench, autojump_clock: Any) -> None:
    x, out = np.arange(6.0), np.zeros(6)
    for factor in (2.0, 3.0):
        record = await bench.launch(as_spec(scale), factor, x, out, over=6, block=4, shared=16)
        np.testing.assert_array_equal(out, factor * x)
        assert (record.kernel, record.device, record.lowering) == ("scale", "fake", "fake")
        assert (record.grid, record.block) == ((2, 1, 1), (4, 1, 1))
        parts = record.compile_s + record.copy_in_s + record.copy_out_s
        assert 0 <= parts <= record.total_s
        assert record.to_dict()["kernel"] == "scale"
    assert [launch.shared_bytes for launch in bench.device.launches] == [16, 16]


async def test_host_arrays_are_not_copied_where_the_device_reads_them(autojump_clock: Any) -> None:
    bench = Bench()
    x, out = np.arange(6.0), np.zeros((3, 4)).T.reshape(-1, order="A")[:6]
    for _ in range(2):
        await bench.launch(as_spec(scale), 2.0, x, out, over=6)
    assert bench.device.copies == []
    assert all(launch.args[1] is x and launch.args[2] is out for launch in bench.device.launches)


async def test_in_array_that_is_written_is_copied(autojump_clock: Any) -> None:
    bench = Bench(written=frozenset({1}))
    x = np.zeros(4)
    for _ in range(2):
        await bench.launch(as_spec(stamp), 7.0, In(x), over=4)
    assert not x.any()
    assert [copy.direction for copy in bench.device.copies] == ["in", "in"]
    assert bench.held_bytes == 0


async def test_in_array_that_is_only_read_goes_as_it_is(autojump_clock: Any) -> None:
    bench = Bench(written=frozenset({2}))
    x, out = np.arange(4.0), np.zeros(4)
    await bench.launch(as_spec(scale), 2.0, In(x), Out(out), over=4)
    await bench.launch(as_spec(scale), 3.0, In(x), Out(out), over=4)
    np.testing.assert_array_equal(out, 3 * x)
    assert bench.device.copies == []


async def test_directions_decide_what_is_copied(autojump_clock: Any) -> None:
    bench = Bench(host_accessible=False)
    x, out = np.arange(4.0), np.full(4, -1.0)
    await bench.launch(as_spec(scale), 2.0, In(x), Out(out), over=4)
    assert [copy.direction for copy in bench.device.copies] == ["in", "out"]
    await bench.launch(as_spec(scale), 2.0, InOut(x), out, over=4)
    assert [copy.direction for copy in bench.device.copies[2:]] == ["in", "in", "out", "out"]
    np.testing.assert_array_equal(out, 2 * x)


async def test_what_is_known_to_be_only_read_is_not_copied_back(autojump_clock: Any) -> None:
    bench = Bench(host_accessible=False, written=frozenset({2}))
    x, out = np.arange(4.0), np.zeros(4)
    await bench.launch(as_spec(scale), 2.0, x, out, over=4)
    assert [copy.direction for copy in bench.device.copies] == ["in", "in", "out"]


async def test_strided_arrays_come_back_where_they_were(bench: Bench, autojump_clock: Any) -> None:
    whole = np.zeros((4, 6))
    await bench.launch(as_spec(stamp), 5.0, whole[:, ::2], over=(3, 4))
    assert (whole[:, ::2] == 5).all()
    assert not whole[:, 1::2].any()


async def test_device_arrays_stay_on_the_device(bench: Bench, autojump_clock: Any) -> None:
    array = await bench.memory.zeros((4,), np.float64)
    before = len(bench.device.copies)
    for value in (4.0, 5.0):
        await bench.launch(as_spec(stamp), value, array, over=4)
    assert len(bench.device.copies) == before
    np.testing.assert_array_equal(await array.copy_to_host(), np.full(4, 5.0))
    array.free()
    with pytest.raises(BufferMisuse):
        await bench.launch(as_spec(stamp), 4.0, array, over=4)


async def test_device_array_freed_early_waits_for_the_launch(autojump_clock: Any) -> None:
    bench = Bench(job_s=3.0)
    array = await bench.memory.empty((4,), np.float64)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: bench.launch(as_spec(stamp), 4.0, array, over=4))
        await trio.testing.wait_all_tasks_blocked()
        array.free()  # the fake's books raise if the block is given back under the launch
        bench.manager.trim()
    assert trio.current_time() == pytest.approx(3.0)


async def test_read_only_array_that_is_read_is_taken(bench: Bench, autojump_clock: Any) -> None:
    bench.device._written = frozenset({2})
    x, out = np.arange(4.0), np.zeros(4)
    x.flags.writeable = False
    await bench.launch(as_spec(scale), 2.0, x, out, over=4)
    np.testing.assert_array_equal(out, 2 * x)


async def test_read_only_array_that_is_written_is_refused(bench: Bench, autojump_clock: Any) -> None:
    bench.device._written = frozenset({1})
    x = np.arange(4.0)
    x.flags.writeable = False
    for argument in (x, Out(x), InOut(x)):
        with pytest.raises(
            ArgumentMismatch, match=r"argument x: got a read-only ndarray of dtype float64, shape \(4,\)"
        ):
            await bench.launch(as_spec(stamp), 7.0, argument, over=4)
    await bench.launch(as_spec(stamp), 7.0, In(x), over=4)
    np.testing.assert_array_equal(x, np.arange(4.0))


async def test_left_out_arguments_take_their_defaults(bench: Bench, autojump_clock: Any) -> None:
    x = np.zeros(4)
    for value in (5.0, None, None, 6.0):
        await bench.launch(as_spec(optional), *([x] if value is None else [x, value]), over=4)
        assert (x == (3 if value is None else value)).all()


@pytest.mark.parametrize(
    ("args", "named", "got"),
    [
        ((1.0, np.zeros(3)), "out", "nothing (2 arguments)"),
        ((), "a", "nothing (0 arguments)"),
        ((1.0, np.zeros(3), np.zeros(3), 4), "number 4", "int 4"),
        ((1.0, [1.0, 2.0], np.zeros(3)), "x", "list [1.0, 2.0]"),
        (("one", np.zeros(3), np.zeros(3)), "a", "str 'one'"),
        ((None, np.zeros(3), np.zeros(3)), "a", "NoneType"),
        ((1.0, np.array([object()]), np.zeros(3)), "x", "dtype object, shape (1,)"),
        ((1.0, np.array(["a"]), np.zeros(3)), "x", "dtype <U1, shape (1,)"),
        ((1.0, np.zeros((2, 3), ">f4"), np.zeros(3)), "x", "dtype >f4, shape (2, 3)"),
        ((10**30, np.zeros(3), np.zeros(3)), "a", "int 1000"),
        (((1, np.zeros(2)), np.zeros(3), np.zeros(3)), "a", "tuple"),
        ((Out(1.0), np.zeros(3), np.zeros(3)), "a", "out of float 1.0"),
    ],
)
async def test_argument_that_no_kernel_takes_is_named(
    bench: Bench, autojump_clock: Any, args: tuple, named: str, got: str
) -> None:
    with pytest.raises(ArgumentMismatch) as caught:
        await bench.launch(as_spec(scale), *args, over=3)
    assert caught.value.kernel == "scale"
    assert caught.value.argument == named
    assert got in caught.value.got
    assert caught.value.mend
    x, out = np.ones(3), np.zeros(3)
    await bench.launch(as_spec(scale), 2.0, x, out, over=3)
    assert (out == 2).all()


async def test_array_of_a_gpu_is_refused_on_the_host(autojump_clock: Any) -> None:
    class Foreign:
        __cuda_array_interface__ = {"shape": (3,), "typestr": "<f4", "data": (0, False), "version": 3}  # noqa: RUF012

    with pytest.raises(ArgumentMismatch, match="array on a GPU"):
        await Bench().launch(as_spec(stamp), 1.0, Foreign(), over=3)


async def test_failure_in_the_kernel_leaves_nothing_behind(bench: Bench, autojump_clock: Any) -> None:
    x = np.zeros(4)
    for _ in range(2):
        with pytest.raises(KernelFault, match="no"):
            await bench.launch(as_spec(fail), x, over=4)
    assert bench.held_bytes == 0
    await bench.launch(as_spec(stamp), 1.0, x, over=4)
    assert (x == 1).all()


async def test_launch_that_the_device_refuses_leaves_nothing_behind(bench: Bench, autojump_clock: Any) -> None:
    x = np.zeros(4)
    with pytest.raises(InvalidLaunch, match="2048"):
        await bench.launch(as_spec(stamp), 1.0, x, over=4, block=2048)
    with pytest.raises(InvalidLaunch, match="shared"):
        await bench.launch(as_spec(stamp), 1.0, x, over=4, shared=10**6)
    assert bench.held_bytes == 0


async def test_arrays_that_do_not_fit_are_all_given_back(autojump_clock: Any) -> None:
    bench = Bench(memory_bytes=2**20, host_accessible=False)
    with pytest.raises(OutOfDeviceMemory):
        await bench.launch(as_spec(scale), 1.0, np.zeros(2**15), np.zeros(2**20), over=3)
    assert bench.held_bytes == 0


async def test_cancelled_launch_is_stopped_and_seen_to_its_end(autojump_clock: Any) -> None:
    bench = Bench(job_s=math.inf, cancel_s=0.5, host_accessible=False)
    with trio.move_on_after(1.0) as scope:
        await bench.launch(as_spec(stamp), 1.0, np.zeros(4), over=4)
    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(1.5)
    assert bench.device.launches[0].event.done
    assert bench.unstoppable == []
    assert bench.held_bytes == 0


async def test_launch_that_cannot_be_stopped_keeps_its_memory_until_it_ends(autojump_clock: Any) -> None:
    bench = Bench(job_s=10.0, cancels_kernels=False, host_accessible=False)
    with trio.move_on_after(1.0) as scope:
        await bench.launch(as_spec(stamp), 1.0, np.zeros(4), over=4)
    assert scope.cancelled_caught
    assert trio.current_time() == pytest.approx(1.0)
    event = bench.device.launches[0].event
    assert bench.unstoppable == [event]
    bench.manager.trim()  # the fake's books raise if the block is given back under the launch
    assert bench.device.memory.live_bytes > 0
    await bench.device.wait(event)
    bench.manager.trim()
    assert bench.device.memory.live_bytes == 0


async def test_launch_that_does_not_stop_in_time_is_left_to_its_event(autojump_clock: Any) -> None:
    bench = Bench(job_s=math.inf, cancel_s=60.0)
    with trio.move_on_after(1.0):
        await bench.launch(as_spec(stamp), 1.0, np.zeros(4), over=4)
    assert trio.current_time() == pytest.approx(6.0)
    assert bench.unstoppable == [bench.device.launches[0].event]


async def test_cancelled_caller_launches_nothing(bench: Bench, autojump_clock: Any) -> None:
    with trio.CancelScope() as scope:
        scope.cancel()
        await bench.launch(as_spec(stamp), 1.0, np.zeros(4), over=4)
    assert scope.cancelled_caught
    assert bench.device.launches == []


async def test_compiling_leaves_the_trio_thread_free() -> None:
    bench = Bench(precompiled=False)
    bench.launcher._compilations = compilations = Compilations(1)
    await compilations.begin(bench, "another")
    compiled_at: list[str] = []
    async with trio.open_nursery() as nursery:

        async def launch() -> None:
            await bench.launch(as_spec(stamp), 1.0, np.zeros(4), over=4)
            compiled_at.append("done")

        nursery.start_soon(launch)
        await trio.testing.wait_all_tasks_blocked()
        assert bench.device.launches == []
        compilations.end(bench)
    assert compiled_at == ["done"]


class SlowCompiler(FakeDevice):
    """Compiles until it is let go."""

    def __init__(self) -> None:
        super().__init__(precompiled=False)
        self.begun, self.let_go, self.compiled = threading.Event(), threading.Event(), threading.Event()

    def compile(self, kernel: Any, args: Any) -> Any:
        self.begun.set()
        assert self.let_go.wait(60)
        result = super().compile(kernel, args)
        self.compiled.set()
        return result


async def test_launch_cancelled_while_its_kernel_compiles_ends_at_once() -> None:
    bench = Bench()
    bench.device = device = SlowCompiler()
    bench.launcher.device = device
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: bench.launch(as_spec(stamp), 1.0, np.zeros(4), over=4))
            await trio.to_thread.run_sync(device.begun.wait)
            nursery.cancel_scope.cancel()
        compilations = bench.launcher._compilations
        assert compilations.running == ("stamp",)  # the compiler's thread goes on to its end, and is not forgotten
        device.let_go.set()
        await compilations.wait_idle()
        assert device.compiled.is_set()
    assert compilations.running == ()
    assert device.launches == []
    assert bench.held_bytes == 0


async def test_array_freed_while_the_kernel_compiles_is_not_launched_on() -> None:
    bench = Bench(precompiled=False)
    array = await bench.memory.zeros((4,), np.float64)
    bench.launcher._compilations = compilations = Compilations(1)
    await compilations.begin(bench, "another")
    with pytest.RaisesGroup(BufferMisuse):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lambda: bench.launch(as_spec(stamp), 1.0, array, over=4))
            await trio.testing.wait_all_tasks_blocked()
            array.free()
            compilations.end(bench)
    assert bench.device.launches == []


async def test_launches_in_place_still_let_others_run() -> None:
    bench = Bench()
    spec, over = as_spec(nothing), False

    async def set_over() -> None:
        nonlocal over
        over = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(set_over)
        with trio.fail_after(30):
            while not over:
                await bench.launch(spec, over=1)


async def test_block_hint_is_the_default() -> None:
    bench = Bench()
    record = await bench.launch(kernel(block=32)(nothing), over=64)
    assert (record.grid, record.block) == ((2, 1, 1), (32, 1, 1))
