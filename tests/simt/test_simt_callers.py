"""A caller that waits for its launch works on it, in place of a worker, and never one thread too many does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from simt_python_kernel import PythonKernel

from rkruntime.errors import LaunchCancelled
from rkruntime.simt._launch import CHUNK_NS, SLICE_CHUNKS, SLICE_NS
from rkruntime.simt._schedule import Call, Workers

PATIENCE_S = 20.0
ONE = (1, 1, 1)


@pytest.fixture
def workers() -> Iterator[Workers]:
    workers = Workers(2)
    yield workers
    workers.close()


def timed(each: Callable[[int], object] = lambda block: None) -> PythonKernel:
    """Return a kernel that was timed before, of which a chunk is one block."""
    kernel = PythonKernel(each)
    kernel.ns_per_block = CHUNK_NS
    return kernel


def run(workers: Workers, kernel: PythonKernel, blocks: int) -> BaseException | None:
    return workers.run(kernel, (blocks, 1, 1), ONE, ())


def threads_of(kernel: PythonKernel) -> set[str]:
    return {thread for thread, _, _ in kernel.chunks}


def elsewhere(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_beside_one_worker_the_caller_does_it_all() -> None:
    workers = Workers(1)
    kernel = timed()
    assert run(workers, kernel, 3 * SLICE_CHUNKS + 1) is None
    assert kernel.blocks == list(range(3 * SLICE_CHUNKS + 1))
    assert threads_of(kernel) == {threading.current_thread().name}
    workers.close()


def test_the_caller_and_a_worker_work_at_once_and_no_third(workers: Workers) -> None:
    both, most, now = threading.Barrier(2), 0, 0
    lock = threading.Lock()

    def each(block: int) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        if block < 2:
            both.wait(PATIENCE_S)
        with lock:
            now -= 1

    kernel = timed(each)
    assert run(workers, kernel, 200) is None
    assert kernel.blocks == list(range(200))
    assert threading.current_thread().name in threads_of(kernel)
    assert most == 2


def test_many_callers_are_no_more_threads_than_workers(workers: Workers) -> None:
    lock, most, now = threading.Lock(), 0, 0
    pause = threading.Event()

    def each(_: int) -> None:
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        pause.wait(0.0005)
        with lock:
            now -= 1

    kernels = [timed(each) for _ in range(6)]
    callers = [elsewhere(lambda kernel=kernel: run(workers, kernel, 40)) for kernel in kernels]  # type: ignore[misc]
    for caller in callers:
        caller.join(PATIENCE_S)
    assert [kernel.blocks for kernel in kernels] == [list(range(40))] * 6
    assert most == 2


def test_a_kernel_that_may_not_end_is_left_to_workers_where_ctrl_c_comes(workers: Workers) -> None:
    kernel = timed()
    kernel.has_open_loop = True
    assert run(workers, kernel, 50) is None
    assert threading.current_thread().name not in threads_of(kernel)
    alone = Workers(1)
    kernel.chunks.clear()
    caller = elsewhere(lambda: run(alone, kernel, 50))
    caller.join(PATIENCE_S)
    assert threads_of(kernel) == {caller.name}
    alone.close()


@pytest.mark.parametrize("why", ["never timed", "slow", "fibers", "cooperative"])
def test_what_else_is_left_to_workers(workers: Workers, why: str) -> None:
    kernel = timed()
    match why:
        case "never timed":
            kernel.ns_per_block = None
        case "slow":
            kernel.ns_per_block = SLICE_NS
        case "fibers":
            kernel.lowering = "fibers"
        case _:
            kernel.cooperative = True
    assert run(workers, kernel, 8) is None
    assert kernel.blocks == list(range(8))
    assert threading.current_thread().name not in threads_of(kernel)


def test_a_caller_makes_room_for_a_task_that_has_no_worker() -> None:
    workers = Workers(1)
    called = threading.Event()

    def each(block: int) -> None:
        if block == 2:
            workers.start(Call(called.set, lambda: None))
        if block == 20:
            assert called.is_set()

    kernel = timed(each)
    assert run(workers, kernel, 100) is None
    assert kernel.blocks == list(range(100))
    assert len(threads_of(kernel)) == 2  # the worker took over
    workers.close()


@pytest.mark.parametrize("where", ["the caller", "the worker"])
def test_a_failure_on_either_thread_ends_the_launch(workers: Workers, where: str) -> None:
    caller, both = threading.current_thread(), threading.Barrier(2)

    def each(block: int) -> None:
        if block < 2:
            both.wait(PATIENCE_S)
            if (threading.current_thread() is caller) == (where == "the caller"):
                raise ArithmeticError(block)

    kernel = timed(each)
    assert isinstance(run(workers, kernel, 10_000), ArithmeticError)
    assert not kernel.running
    assert len(kernel.chunks) < 10_000
    after = timed()
    assert run(workers, after, 50) is None
    assert after.blocks == list(range(50))


@pytest.mark.parametrize("by", ["cancel", "close"])
def test_others_end_a_launch_whose_caller_takes_part(by: str) -> None:
    workers = Workers(1)
    begun, ended = threading.Event(), threading.Event()

    def each(_: int) -> None:
        begun.set()
        ended.wait(0.001)

    def end() -> None:
        assert begun.wait(PATIENCE_S)
        if by == "close":
            workers.close()
        else:
            (launch,) = workers._tasks
            assert launch.cancel("the test wants so")
        ended.set()

    other = elsewhere(end)
    error = run(workers, timed(each), 10**9)
    other.join(PATIENCE_S)
    assert isinstance(error, LaunchCancelled)
    assert error.reason == ("the test wants so" if by == "cancel" else "the device was closed")
    workers.close()


def test_the_launch_is_over_once_all_blocks_have_run(workers: Workers) -> None:
    """The worker has run its last block, and is held up on its way back: the caller does not wait for that."""
    ran, come_back, both = threading.Event(), threading.Event(), threading.Barrier(2)
    caller = threading.current_thread()

    def each(_: int) -> None:
        both.wait(PATIENCE_S)
        assert threading.current_thread() is not caller or ran.wait(PATIENCE_S)

    class Slow(PythonKernel):
        def drive(self, *args: object) -> None:  # type: ignore[override]
            super().drive(*args)  # type: ignore[arg-type]
            if threading.current_thread() is not caller:
                ran.set()
                come_back.wait(PATIENCE_S)

    kernel = Slow(each)
    kernel.ns_per_block = CHUNK_NS
    assert run(workers, kernel, 2) is None
    assert kernel.blocks == [0, 1]
    assert not come_back.is_set()
    come_back.set()
