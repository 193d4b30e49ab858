"""The blocking front: real threads, a fake device."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import trio
from control_c import ControlC

from rkruntime import blocking
from rkruntime.actors import Restart
from rkruntime.errors import ActorCrashed, ActorStopped, CanaryFailed, Draining, NotRunning, RestartLimit
from rkruntime.runtime import Actor, State
from rkruntime.testing import FakeDevice


class Counter(Actor):
    async def setup(self) -> None:
        self.total = 0

    async def add(self, number: int) -> int:
        self.total += number
        return self.total

    async def crash(self) -> None:
        raise ValueError("on purpose")

    async def total_of(self, array) -> float:
        return float((await array.copy_to_host()).sum())

    async def wait_for_ever(self) -> None:
        await trio.sleep_forever()


def double(x: np.ndarray) -> None:
    x[:] *= 2


def test_asks_launches_and_arrays() -> None:
    with blocking.open_runtime(device=FakeDevice()) as runtime:
        assert runtime.state is State.RUNNING
        assert runtime.health.ready
        counter = runtime.spawn(Counter, name="counter")
        assert [counter.ask(Counter.add, n) for n in (1, 2, 3)] == [1, 3, 6]
        counter.tell(Counter.add, 4)
        assert counter.ask(Counter.add, 0) == 10
        kernel = runtime.spawn(double)
        array = runtime.array(np.arange(3, dtype=np.float32))
        assert (array.shape, array.dtype, array.size) == ((3,), np.float32, 3)
        assert kernel.launch(array, over=3).kernel == "double"
        np.testing.assert_array_equal(array.copy_to_host(), [0, 2, 4])
        array.copy_from_host(np.ones(3, np.float32))
        assert counter.ask(Counter.total_of, array) == 3.0
        array.free()
        zeros = runtime.zeros((2, 2), np.int32)
        assert not zeros.copy_to_host().any()
        zeros.free()
        runtime.empty(5, np.float64).free()
        assert {actor.name for actor in runtime.actors} == {"counter", kernel.name}
        assert runtime.memory.allocated_bytes == 0
        assert runtime.device.kind == "fake"
        with pytest.raises(ActorCrashed) as caught:
            counter.ask(Counter.crash)
        assert isinstance(caught.value.__cause__, ValueError)
        counter.stop()
        kernel.stop()
    assert runtime.state is State.STOPPED
    assert runtime.report is not None
    with pytest.raises(NotRunning):
        runtime.spawn(Counter)


def test_it_works_where_asyncio_already_runs() -> None:
    async def notebook_cell() -> int:
        with blocking.open_runtime(device=FakeDevice()) as runtime:
            return runtime.spawn(Counter).ask(Counter.add, 5)

    assert asyncio.run(notebook_cell()) == 5


def test_many_threads_may_call() -> None:
    totals = []
    with blocking.open_runtime(device=FakeDevice()) as runtime:
        counter = runtime.spawn(Counter)

        def call() -> None:
            totals.extend(counter.ask(Counter.add, 1) for _ in range(50))

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert sorted(totals) == list(range(1, 201))


def test_what_keeps_it_from_starting_is_raised_and_no_thread_stays() -> None:
    before = threading.active_count()
    with pytest.raises(CanaryFailed), blocking.open_runtime(device=FakeDevice(effect=lambda launch: None)):
        raise AssertionError("never reached")
    assert threading.active_count() == before


def test_what_it_ends_with_is_raised() -> None:
    with pytest.raises(RestartLimit), blocking.open_runtime(device=FakeDevice()) as runtime:
        counter = runtime.spawn(Counter, restart=Restart(max_restarts=0))
        with pytest.raises(ActorCrashed):
            counter.ask(Counter.crash)


def test_shutdown_may_be_called_before_the_end() -> None:
    with blocking.open_runtime(device=FakeDevice()) as runtime:
        report = runtime.shutdown()
        assert report.clean
    assert runtime.report is report


INTERRUPTED = textwrap.dedent("""
    import trio
    from rkruntime import blocking
    from rkruntime.runtime import Actor
    from rkruntime.testing import FakeDevice

    class Sleeper(Actor):
        async def sleep(self):
            print("asleep", flush=True)
            await trio.sleep_forever()

    with blocking.open_runtime(device=FakeDevice()) as runtime:
        sleeper = runtime.spawn(Sleeper)
        try:
            sleeper.ask(Sleeper.sleep)
        except KeyboardInterrupt:
            print("interrupted", runtime.state.value, flush=True)
        assert [actor.in_flight for actor in runtime.actors] == [0]
    print("drained", runtime.report.clean, flush=True)
""")


def test_ctrl_c_cancels_the_call_and_the_runtime_lives_on() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "asleep\n"
        os.kill(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert rest.splitlines() == ["interrupted running", "drained True"]
    assert process.returncode == 0


def test_ctrl_c_at_any_point_of_a_call_leaves_the_runtime_in_order() -> None:
    with blocking.open_runtime(device=FakeDevice()) as runtime:
        counter = runtime.spawn(Counter)
        for at in range(1, 1000):
            control_c = ControlC(at, __name__)
            try:
                with control_c.watching():
                    counter.ask(Counter.add, 1)
            except KeyboardInterrupt:
                assert [actor.in_flight for actor in runtime.actors] == [0]
            else:
                break
    assert at > 20
    assert runtime.report is not None
    assert runtime.report.clean


INTERRUPTED_AT_ITS_START = textwrap.dedent("""
    import math, threading
    from rkruntime import RuntimeConfig, blocking
    from rkruntime.testing import FakeDevice

    def never_ends(launch):
        print("starting", flush=True)
        return math.inf

    device = FakeDevice(job_s=never_ends)
    try:
        with blocking.open_runtime(RuntimeConfig(cleanup_timeout=0.05), device=device):
            print("never reached")
    except KeyboardInterrupt:
        print("interrupted", device.closed, threading.active_count(), flush=True)
""")


def test_ctrl_c_while_it_starts_leaves_no_thread_behind() -> None:
    command = [sys.executable, "-c", INTERRUPTED_AT_ITS_START]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "starting\n"
        os.kill(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert rest.splitlines() == ["interrupted True 1"]
    assert process.returncode == 0


def test_calls_that_meet_the_end_are_refused_and_do_not_hang() -> None:
    outcomes: list[type[BaseException]] = []
    with blocking.open_runtime(device=FakeDevice()) as runtime:
        counter = runtime.spawn(Counter)

        def call() -> None:
            try:
                while True:
                    counter.ask(Counter.add, 1)
            except Exception as error:
                outcomes.append(type(error))

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert len(outcomes) == 4
    assert set(outcomes) <= {NotRunning, Draining, ActorStopped}
