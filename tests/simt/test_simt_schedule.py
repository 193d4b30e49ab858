"""Workers: every block once, fairness, cancellation, failures; with kernels in Python that the tests can hold up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simt_python_kernel import PythonKernel

from rkruntime.errors import LaunchCancelled, NotRunning
from rkruntime.simt._launch import CHUNK_NS
from rkruntime.simt._runner import smoothed
from rkruntime.simt._schedule import Call, InPlace, Launch, Workers

PATIENCE_S = 20.0


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(2)
    yield workers
    workers.close()


class Waiter:
    """Submits launches and waits for them with a bound."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers

    def start(self, kernel: PythonKernel, blocks: int) -> tuple[Launch, threading.Event]:
        over = threading.Event()
        return self.workers.submit(kernel, (blocks, 1, 1), (1, 1, 1), (), 0, over.set), over

    def run(self, kernel: PythonKernel, blocks: int) -> Launch:
        launch, over = self.start(kernel, blocks)
        assert over.wait(PATIENCE_S)
        assert launch.done
        return launch


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=6), count=st.integers(1, 3))
def test_every_block_of_every_launch_runs_once(sizes: list[int], count: int) -> None:
    workers = Workers(count)
    try:
        waiter = Waiter(workers)
        kernels = [PythonKernel() for _ in sizes]
        started = [waiter.start(kernel, size) for kernel, size in zip(kernels, sizes, strict=True)]
        assert all(over.wait(PATIENCE_S) for _, over in started)
        assert [kernel.blocks for kernel in kernels] == [list(range(size)) for size in sizes]
        assert all(launch.error is None for launch, _ in started)
    finally:
        workers.close()


def test_first_launch_is_probed_with_one_block_and_sets_the_chunk(workers: Workers) -> None:
    kernel = PythonKernel()
    Waiter(workers).run(kernel, 1000)
    assert kernel.chunks[0][1:] == (0, 1)
    assert kernel.ns_per_block is not None
    kernel.ns_per_block, kernel.chunks = CHUNK_NS / 10, []
    Waiter(workers).run(kernel, 1000)
    assert {end - first for _, first, end in kernel.chunks} == {10}


def test_all_workers_help_with_one_launch(workers: Workers) -> None:
    both = threading.Barrier(2)
    kernel = PythonKernel(lambda block: both.wait(PATIENCE_S) if block in (1, 2) else None)
    kernel.ns_per_block = CHUNK_NS
    Waiter(workers).run(kernel, 3)
    assert len({thread for thread, first, _ in kernel.chunks if first in (1, 2)}) == 2


def test_two_launches_make_progress_together(workers: Workers) -> None:
    """Each holds its blocks until the other has begun: were one served first, neither would end."""
    begun = [threading.Event(), threading.Event()]

    def each(mine: int) -> Callable[[int], None]:
        def block(number: int) -> None:
            begun[mine].set()
            if number > 1:
                assert begun[1 - mine].wait(PATIENCE_S)

        return block

    waiter = Waiter(workers)
    kernels = [PythonKernel(each(k)) for k in range(2)]
    started = [waiter.start(kernel, 20) for kernel in kernels]
    assert all(over.wait(PATIENCE_S) for _, over in started)
    assert [launch.error for launch, _ in started] == [None, None]


def test_a_later_launch_is_let_in_by_one_that_keeps_all_workers() -> None:
    workers = Workers(1)
    submitted = threading.Event()
    done_before: list[int] = []

    def each(number: int) -> None:
        if number == 3:
            assert submitted.wait(PATIENCE_S)

    waiter = Waiter(workers)
    large, small = PythonKernel(each), PythonKernel(lambda block: done_before.append(len(large.chunks)))
    large.ns_per_block = CHUNK_NS
    first, first_over = waiter.start(large, 1000)
    _, second_over = waiter.start(small, 1)
    submitted.set()
    assert second_over.wait(PATIENCE_S)
    assert first_over.wait(PATIENCE_S)
    workers.close()
    assert first.error is None
    assert len(done_before) == 1
    assert done_before[0] <= 4


def test_cancel_stops_between_chunks_and_says_why(workers: Workers) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def each(number: int) -> None:
        reached.set()
        assert go_on.wait(PATIENCE_S)

    kernel = PythonKernel(each, "slow")
    launch, over = Waiter(workers).start(kernel, 10_000)
    assert reached.wait(PATIENCE_S)
    assert launch.cancel("the test wants so")
    assert not over.is_set()
    go_on.set()
    assert over.wait(PATIENCE_S)
    assert isinstance(launch.error, LaunchCancelled)
    assert (launch.error.kernel, launch.error.reason) == ("slow", "the test wants so")
    assert len(kernel.chunks) <= 2
    assert not launch.cancel()


def test_cancel_of_a_launch_that_waits_ends_it_at_once() -> None:
    workers = Workers(1)
    go_on, begun = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        begun.set()
        assert go_on.wait(PATIENCE_S)

    waiter = Waiter(workers)
    _, holder_over = waiter.start(PythonKernel(hold), 1)
    assert begun.wait(PATIENCE_S)
    never = PythonKernel()
    launch, over = waiter.start(never, 5)
    assert launch.cancel()
    assert over.is_set()
    assert isinstance(launch.error, LaunchCancelled)
    go_on.set()
    assert holder_over.wait(PATIENCE_S)
    workers.close()
    assert never.chunks == []


@pytest.mark.parametrize("where", [0, 1, 57])
def test_a_failure_ends_its_launch_alone_and_workers_go_on(workers: Workers, where: int) -> None:
    def each(number: int) -> None:
        if number == where:
            raise ArithmeticError(number)

    waiter = Waiter(workers)
    for _ in range(5):
        kernel = PythonKernel(each)
        launch = waiter.run(kernel, 100)
        assert isinstance(launch.error, ArithmeticError)
        assert kernel.ns_per_block is None or kernel.ns_per_block > 0
        good = PythonKernel()
        assert waiter.run(good, 100).error is None
        assert good.blocks == list(range(100))


def test_a_failing_callback_is_shown_and_harms_nobody(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Any] = []
    seen = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda args: (shown.append(args.exc_value), seen.set()))

    def done() -> None:
        raise RuntimeError("from the callback")

    workers.submit(PythonKernel(), (1, 1, 1), (1, 1, 1), (), 0, done)
    assert seen.wait(PATIENCE_S)
    assert str(shown[0]) == "from the callback"
    assert Waiter(workers).run(PythonKernel(), 10).error is None


def test_calls_run_on_workers_and_carry_their_errors(workers: Workers) -> None:
    over = threading.Event()
    threads: list[str] = []
    call = Call(lambda: threads.append(threading.current_thread().name), over.set)
    workers.start(call)
    assert over.wait(PATIENCE_S)
    assert (call.done, call.error) == (True, None)
    assert threads[0].startswith("rkruntime-worker")
    over.clear()
    failing = Call(lambda: [][0], over.set)  # type: ignore[index]
    workers.start(failing)
    assert over.wait(PATIENCE_S)
    assert isinstance(failing.error, IndexError)


def test_close_cancels_what_is_in_flight_and_joins() -> None:
    workers = Workers(2)
    begun = threading.Event()
    held = threading.Event()

    def each(number: int) -> None:
        begun.set()
        held.wait(0.001)

    launch, over = Waiter(workers).start(PythonKernel(each), 10**9)
    assert begun.wait(PATIENCE_S)
    workers.close()
    assert over.is_set()
    assert isinstance(launch.error, LaunchCancelled)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("rkruntime-worker")]
    with pytest.raises(NotRunning):
        workers.submit(PythonKernel(), (1, 1, 1), (1, 1, 1), ())
    workers.close()


def test_submitting_from_several_threads(workers: Workers) -> None:
    kernels = [PythonKernel() for _ in range(8)]
    threads = [threading.Thread(target=lambda k=k: Waiter(workers).run(k, 50)) for k in kernels]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert [kernel.blocks for kernel in kernels] == [list(range(50))] * 8


def test_launch_lets_its_arguments_go(workers: Workers) -> None:
    over = threading.Event()
    launch = workers.submit(PythonKernel(), (1, 1, 1), (1, 1, 1), (np.ones(3),), 0, over.set)
    assert over.wait(PATIENCE_S)
    assert launch.args == ()


def test_in_place_runs_all_blocks_here_and_measures() -> None:
    place = InPlace()
    kernel = PythonKernel()
    error, took_s = place.run(kernel, (2, 3, 2), (1, 1, 1), ())
    assert error is None
    assert took_s > 0
    assert kernel.chunks == [(threading.current_thread().name, 0, 12)]
    assert kernel.ns_per_block == pytest.approx(took_s * 1e9 / 12)
    failing = PythonKernel(lambda block: 1 // 0)
    assert isinstance(place.run(failing, (1, 1, 1), (1, 1, 1), ())[0], ZeroDivisionError)
    assert place.run(kernel, (2, 1, 1), (1, 1, 1), ())[0] is None
    place.close()


@given(st.floats(1, 1e9), st.floats(1, 1e9))
def test_estimates_follow_measurements(before: float, measured: float) -> None:
    estimate = smoothed(before, measured)
    assert min(before, measured) <= estimate <= max(before, measured)
    assert smoothed(None, measured) == measured
    assert measured > before or estimate == measured
