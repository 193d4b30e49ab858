"""Trace files: valid at any time, tracks by name, slices that nest and say what happened."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from numba import cuda
from trace_format import check_nesting, load, slices, tracks
from trace_processor import processing

from rkruntime.actors import EndedMessages, MessageDone
from rkruntime.config import MemoryConfig, RuntimeConfig
from rkruntime.context import following
from rkruntime.errors import UnreadableInput
from rkruntime.kernels import LaunchDone, LaunchRecord
from rkruntime.observability import TraceFile
from rkruntime.observability._trace_events import TraceEvents
from rkruntime.runtime import Actor, State, Transition, open_runtime
from rkruntime.testing import FakeDevice

COMMAND = str(Path(sys.executable).with_name("rustkernel"))
HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def fill(out: Any) -> None:
    out[:] = 1


@cuda.jit
def scale(x, out):  # type: ignore[no-untyped-def]
    i = cuda.grid(1)
    if i < x.size:
        out[i] = 2 * x[i]


class Steps(Actor):
    async def step(self, seconds: float) -> None:
        out = await self.memory.zeros(1024, np.float32)
        await trio.sleep(seconds)
        await self.launch(fill, out, over=1024)
        out.free()

    async def crash(self) -> None:
        raise ValueError("on purpose")


async def test_messages_launches_and_stages_nest_on_their_actors_track(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    path = tmp_path / "trace.json"
    with TraceFile(path) as trace:
        async with open_runtime(device=FakeDevice(job_s=0.5), hooks=[trace]) as runtime, trio.open_nursery() as nursery:
            steps = await runtime.spawn(Steps, name="steps", concurrency=2)
            with following(HEADER):
                await steps.ask(Steps.step, 1.0)
            for seconds in (1.0, 2.0):
                nursery.start_soon(steps.ask, Steps.step, seconds)
    events = load(path)
    named = {("actors", "steps"), ("actors", "steps #2"), ("device", "device"), ("runtime", "lifecycle")}
    assert named <= tracks(events)
    traced = [one for one in events if one["ph"] == "X" and one["args"].get("trace_id") == HEADER[3:35]]
    launch, message = traced  # in the order of their ends
    assert (message["name"], message["cat"], message["dur"]) == ("step", "message", 1.5e6)
    assert (launch["name"], launch["ts"] - message["ts"], launch["dur"]) == ("fill", 1e6, 0.5e6)
    assert (launch["pid"], launch["tid"]) == (message["pid"], message["tid"])
    device = next(one for one in events if one["name"] == "device" and one["tid"] == launch["tid"])
    assert device["dur"] == pytest.approx(0.5e6, rel=0.01)
    moves = [one["name"] for one in events if one.get("cat") == "lifecycle"]
    assert moves == ["starting", "running", "draining", "drained", "stopped"]


async def test_memory_is_a_counter_and_pressure_and_crashes_are_marked(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    path = tmp_path / "trace.json"
    config = RuntimeConfig(memory=MemoryConfig(max_gpu_memory=2**20))
    with TraceFile(path) as trace:
        async with open_runtime(config, device=FakeDevice(), hooks=[trace]) as runtime:
            steps = await runtime.spawn(Steps, name="steps")
            await steps.ask(Steps.step, 1.0)
            (await runtime.empty(900 * 1024, np.uint8)).free()
            with pytest.raises(Exception, match="on purpose"):
                await steps.ask(Steps.crash)
    events = load(path)
    allocated = [one["args"]["allocated"] for one in events if one["ph"] == "C"]
    assert max(allocated) == 2**20
    assert [one["name"] for one in events if one.get("cat") == "pressure"] == ["emergency", "normal"]
    assert "crashed" in [one["name"] for one in events if one.get("cat") == "actor"]


LAUNCHES = 5


@pytest.fixture(scope="module")
def run_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trace of a real run of the command."""
    path = tmp_path_factory.mktemp("run") / "trace.json"
    given = ["x=zeros:4000000:f4", "y=like:x", "out=like:x", "a=2.0"]
    asked = ["run", "saxpy", *(word for each in given for word in ("--set", each))]
    more = ["--over", "4000000", "--repeat", str(LAUNCHES), "--device", "cpu", "--trace", str(path)]
    done = subprocess.run([COMMAND, *asked, *more], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return path


def test_the_command_writes_a_trace_with_its_workers(run_trace: Path) -> None:
    events = load(run_trace)
    workers = [name for group, name in tracks(events) if group == "workers"]
    assert workers
    worked = [one for name in workers for one in slices(events, "workers", name)]
    assert {one["name"] for one in worked} == {"saxpy"}
    launches = [one for one in slices(events, "actors", "saxpy") if one.get("cat") == "launch"]
    assert len(launches) == LAUNCHES
    assert all(
        any(one["ts"] <= run["ts"] and run["ts"] + run["dur"] <= one["ts"] + one["dur"] for one in launches)
        for run in worked
    ), "workers work while there is a launch: their clock is the trace's"


SLICES = """\
select process.name as part, thread.name as track, slice.name as name, slice.category as kind, above.name as above
from slice
join thread_track on slice.track_id = thread_track.id join thread using (utid) join process using (upid)
left join slice above on slice.parent_id = above.id
"""


def test_perfettos_own_processor_finds_every_track_and_slice_of_a_run(run_trace: Path) -> None:
    events = load(run_trace)
    with processing(run_trace) as perfetto:
        found = perfetto.rows(SLICES)
        counters = dict(
            perfetto.rows(
                "select counter_track.name as name, count(*) as n from counter "
                "join counter_track on counter.track_id = counter_track.id group by 1"
            )
        )
        ((slices_in_all, longest_ns),) = perfetto.rows("select count(*) as n, max(dur) as longest from slice")
        complaints = perfetto.rows("select name, value from stats where value > 0 and severity != 'info'")
    assert complaints == []
    assert slices_in_all == sum(one["ph"] in "Xi" for one in events), "none is lost, none is made up"
    assert longest_ns == round(max(one["dur"] for one in events if one["ph"] == "X") * 1e3)
    count = Counter((part, track, kind) for part, track, _, kind, _ in found)
    assert count["actors", "saxpy", "message"] == count["actors", "saxpy", "launch"] == LAUNCHES
    assert count["device", "queue", "queue"] == count["device", "device", "device"] == LAUNCHES
    assert {track for part, track, _ in count if part == "workers"} >= {"worker 0"}
    assert {name for part, _, name, _, _ in found if part == "workers"} == {"saxpy"}
    assert counters.keys() == {"device memory allocated", "device memory idle"}
    assert all(counters.values())
    assert {above for _, _, _, kind, above in found if kind == "launch"} == {"launch"}, "launches are in messages"
    assert {above for part, _, _, kind, above in found if (part, kind) == ("actors", "stage")} == {"saxpy"}


KILLED = """\
import os, sys
import trio
import rkruntime as rk
from rkruntime.observability import TraceFile

class Echo(rk.Actor):
    async def echo(self):
        await trio.sleep(0)

async def main():
    trace = TraceFile(sys.argv[1])
    async with rk.open_runtime(rk.RuntimeConfig(gpu_enabled=False), hooks=[trace]) as runtime:
        echo = await runtime.spawn(Echo, name="echo")
        print("begun", flush=True)
        while True:
            await echo.ask(Echo.echo)

trio.run(main)
"""


def test_a_run_that_is_killed_leaves_a_whole_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            size = path.stat().st_size
            end = time.monotonic() + 60
            while path.stat().st_size < size + 100_000 and time.monotonic() < end:
                time.sleep(0.05)
        finally:
            os.kill(process.pid, signal.SIGKILL)
    assert len(slices(load(path), "actors", "echo")) > 100


def test_what_comes_faster_than_it_is_written_is_dropped_and_counted(tmp_path: Path) -> None:
    trace = TraceFile(tmp_path / "trace.json", most_waiting=10)
    for _ in range(25):  # without a runtime nothing is written: all of it waits
        trace(MessageDone("a", "step", "completed", 0.0, 1.0, 2.0))
    assert trace.dropped == 15
    trace.close()
    trace.close()
    assert load(tmp_path / "trace.json")


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    threads = threading.active_count()
    with pytest.raises(UnreadableInput) as caught:
        TraceFile(tmp_path / "none" / "trace.json")
    assert "none/trace.json" in str(caught.value)
    assert threading.active_count() == threads


def test_a_disk_that_is_full_from_the_start_is_told_at_once() -> None:
    with pytest.raises(UnreadableInput, match="No space left"):
        TraceFile("/dev/full")


FULL = """\
import resource, sys
import trio
import rkruntime as rk
from rkruntime.observability import TraceFile
from rkruntime.testing import FakeDevice

class Echo(rk.Actor):
    async def echo(self):
        return 1

async def main():
    with TraceFile(sys.argv[1]) as trace:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        async with rk.open_runtime(device=FakeDevice(), hooks=[trace]) as runtime:
            echo = await runtime.spawn(Echo)
            print(sum([await echo.ask(Echo.echo) for _ in range(1000)]))

trio.run(main)
"""


def test_a_disk_that_fills_up_ends_the_trace_and_not_the_run(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "1000\n"
    assert "the trace is cut off" in done.stderr
    assert path.stat().st_size <= 20_000


times = st.floats(0.0, 100.0)


@given(st.lists(st.tuples(times, times, times, st.integers(0, 2)), max_size=30))
def test_launches_side_by_side_never_overlap_on_a_track(launches: list[tuple[float, float, float, int]]) -> None:
    events = TraceEvents(0.0)
    written = []
    ended = sorted(launches, key=lambda one: one[0] + one[1])
    for number, (began_s, took_s, device_s, slot) in enumerate(ended):
        part = min(took_s, device_s)
        record = LaunchRecord("k", "fake", "loop", (1, 1, 1), (1, 1, 1), 0.0, 0.0, took_s - part, part, 0.0, took_s)
        written += events.lines(LaunchDone(number, "k", "a", "completed", began_s, took_s, record, "", slot))
    check_nesting([json.loads(line) for line in written])


def test_names_are_escaped() -> None:
    events = TraceEvents(0.0)
    (name, line) = events.lines(EndedMessages.of(MessageDone('quoted"\\\n', "step", "completed", 0.0, 1.0, 2.0)))
    assert json.loads(name)["args"]["name"] == 'quoted"\\\n'
    assert json.loads(line)["ts"] == 2e6
    assert events.lines(Transition(before=State.CREATED, after=State.STARTING, at_s=0.0, cause='"'))
    assert events.lines(object()) == []
