"""The parts of the drop-in that need no CUDA API: memory by address, events, callbacks, PTX, the report."""

from __future__ import annotations

import ctypes
import itertools
import signal
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rkruntime.dropin._function import HostFunction
from rkruntime.dropin._memory import ALIGNMENT_BYTES, HostMemory
from rkruntime.dropin._ptx import bytes_in
from rkruntime.dropin._report import Entry, Report
from rkruntime.dropin._streams import Callbacks, Events, Handles


@given(st.lists(st.tuples(st.integers(1, 5000), st.booleans()), max_size=30))
def test_blocks_of_memory_are_aligned_apart_and_counted(steps: list[tuple[int, bool]]) -> None:
    memory = HostMemory(total_bytes=20_000)
    live: dict[int, int] = {}
    for size, free in steps:
        if free and live:
            address = next(iter(live))
            memory.free(address)
            del live[address]
        elif sum(live.values()) + size > memory.total_bytes:
            with pytest.raises(MemoryError):
                memory.allocate(size)
        else:
            live[memory.allocate(size)] = size
        assert memory.used_bytes == sum(live.values())
    spans = sorted((address, address + size) for address, size in live.items())
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))
    for address, size in live.items():
        assert address % ALIGNMENT_BYTES == 0
        assert memory.block_of(address + size - 1) == (address, size)


def test_memory_is_copied_and_filled_and_freed_once() -> None:
    memory = HostMemory(total_bytes=1000)
    first, second = memory.allocate(16), memory.allocate(16)
    memory.fill(first, 7, 16)
    memory.copy(second + 4, first, 8)
    assert ctypes.string_at(second + 4, 8) == b"\x07" * 8
    memory.free(first)
    with pytest.raises(KeyError):
        memory.free(first)
    with pytest.raises(KeyError):
        memory.block_of(first)


def test_handles_are_known_while_they_are_open() -> None:
    handles = Handles(0x10)
    first, second = handles.open(), handles.open()
    handles.close(first)
    assert (first in handles, second in handles) == (False, True)
    with pytest.raises(KeyError):
        handles.close(first)


def test_events_tell_the_time_between_them_and_only_if_recorded_with_time() -> None:
    events = Events()
    begin, end, untimed = events.open(timed=True), events.open(timed=True), events.open(timed=False)
    events.record(begin)
    with pytest.raises(KeyError):
        events.elapsed_ms(begin, end)
    events.record(end)
    assert 0 <= events.elapsed_ms(begin, end) < 60_000
    assert events.elapsed_ms(end, begin) == -events.elapsed_ms(begin, end)
    events.record(untimed)
    with pytest.raises(KeyError):
        events.elapsed_ms(begin, untimed)
    events.close(begin)
    with pytest.raises(KeyError):
        events.record(begin)


def test_callbacks_run_in_order_on_another_thread_and_can_be_waited_for() -> None:
    callbacks = Callbacks()
    go = threading.Event()
    seen: list[object] = []
    callbacks.add(lambda: seen.append(go.wait(10)))
    callbacks.add(lambda: seen.append(threading.current_thread() is threading.main_thread()))
    go.set()
    callbacks.wait()
    assert seen == [True, False]
    callbacks.add(lambda: seen.append("again"))
    callbacks.wait()
    assert seen[-1] == "again"


def test_control_c_ends_a_wait_for_callbacks_even_if_it_wakes_nobody() -> None:
    callbacks = Callbacks()
    begin, go = threading.Event(), threading.Event()
    seen: list[bool] = []

    def press_control_c() -> None:
        # The main thread must be where the interrupt is expected: a thread that ran ahead would hit `add`.
        begin.wait(10)
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        seen.append(go.wait(10))

    callbacks.add(press_control_c)
    with pytest.raises(KeyboardInterrupt):
        begin.set()
        callbacks.wait()
    go.set()
    callbacks.wait()
    assert seen == [True]


PTX = """
.global .align 4 .u32 counter;
.const .align 8 .b8 table[256];
.extern .shared .align 16 .b8 dynamic[];
\t.shared .align 4 .b8 tile[400];
.visible .entry kernel()
{
\t.local .align 16 .b8 \t__local_depot0[4000];
\t.reg .b32 \t%r<9>;
\t.shared .align 8 .f64 one;
"""


def test_ptx_says_how_much_memory_a_kernel_takes() -> None:
    assert [bytes_in(PTX, space) for space in (".shared", ".local", ".const")] == [408, 4000, 256]


def test_hints_about_a_gpus_caches_are_taken_and_checked() -> None:
    function = HostFunction("saxpy", 256)
    assert function.kernel.attributes.max_threads_per_block == 256
    function.cache_config(prefer_shared=True)
    function.set_shared_memory_carveout(-1)
    with pytest.raises(ValueError, match="between -1 and 100"):
        function.set_shared_memory_carveout(101)


def test_a_report_adds_up_launches_of_one_kernel() -> None:
    report = Report()
    assert "no kernel" in str(report)
    for took_s in (0.25, 1.5):
        report.count("a", Entry("saxpy", "a.py:3", "float32", "loop", compile_s=0.5), took_s)
    report.count("b", Entry("tiles", "a.py:9", "float32", "fibers"), 0.001)
    assert [(e.kernel, e.launches, e.total_s) for e in report.entries] == [("saxpy", 2, 1.75), ("tiles", 1, 0.001)]
    assert [line.split() for line in str(report).splitlines()[2:]] == [
        ["saxpy", "a.py:3", "loop", "2", "1.750", "s", "500.000", "ms", "float32"],
        ["tiles", "a.py:9", "fibers", "1", "1.000", "ms", "0.000", "ms", "float32"],
    ]
