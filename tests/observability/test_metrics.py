"""Metrics: what happened is what a scrape says, in a form that Prometheus' own parsers read, on any thread."""

import runpy
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, parser
from prometheus_client.openmetrics import parser as openmetrics

from rkruntime.config import MemoryConfig, RuntimeConfig
from rkruntime.context import Trace, following
from rkruntime.errors import RkError
from rkruntime.kernels import LaunchDone, LaunchRecord
from rkruntime.observability import Metrics, RequestDone
from rkruntime.observability._exposition import OF_A_BLOCK, OPENMETRICS, TEXT
from rkruntime.observability._histogram import Histogram
from rkruntime.observability._requests import MOST_UNCOUNTED, RequestCounts
from rkruntime.observability._table import BOUNDS_S, TABLE
from rkruntime.runtime import Actor, open_runtime
from rkruntime.testing import FakeDevice, RecordingHook

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def fill(out: Any) -> None:
    out[:] = 1


def broken(out: Any) -> None:
    raise ValueError("on purpose")


class Napper(Actor):
    async def nap(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def crash(self) -> None:
        raise ValueError("on purpose")


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """What a scrape says: the value by name and labels."""
    page, kind = metrics.render()
    assert kind == OPENMETRICS
    families = list(openmetrics.text_string_to_metric_families(page.decode()))
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def told(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, tuple(sorted(labels.items()))]


async def test_launches_are_counted_by_kernel_outcome_and_stage(autojump_clock: trio.testing.MockClock) -> None:
    metrics = Metrics()
    async with open_runtime(device=FakeDevice(job_s=0.25), hooks=[metrics]) as runtime:
        kernel, bad = await runtime.spawn(fill), await runtime.spawn(broken)
        for _ in range(3):
            await kernel.launch(np.zeros(4), over=4)
        with pytest.raises(RkError):
            await bad.launch(np.zeros(4), over=4)
        with trio.move_on_after(0.1):
            await kernel.launch(np.zeros(4), over=4)
    assert told(metrics, "rkruntime_launches_total", kernel="fill", outcome="completed") == 3
    assert told(metrics, "rkruntime_launches_total", kernel="fill", outcome="cancelled") == 1
    assert told(metrics, "rkruntime_launches_total", kernel="broken", outcome="failed") == 1
    assert told(metrics, "rkruntime_launch_seconds_count", kernel="fill") == 3
    assert told(metrics, "rkruntime_launch_seconds_sum", kernel="fill") == 0.75
    assert told(metrics, "rkruntime_launch_seconds_bucket", kernel="fill", le="0.1") == 0
    assert told(metrics, "rkruntime_launch_seconds_bucket", kernel="fill", le="0.25") == 3
    assert told(metrics, "rkruntime_launch_stage_seconds_total", kernel="fill", stage="device") == 0.75
    assert told(metrics, "rkruntime_launch_queue_seconds_count") == 3


async def test_actors_mailboxes_restarts_and_waits_are_told(autojump_clock: trio.testing.MockClock) -> None:
    metrics = Metrics()
    async with open_runtime(device=FakeDevice(), hooks=[metrics]) as runtime, trio.open_nursery() as nursery:
        napper = await runtime.spawn(Napper, name="napper")
        with pytest.raises(RkError):
            await napper.ask(Napper.crash)
        await trio.sleep(5)
        for _ in range(3):
            nursery.start_soon(napper.ask, Napper.nap, 2.0)
        await trio.testing.wait_all_tasks_blocked()
        assert told(metrics, "rkruntime_mailbox_depth", actor="napper") == 2
        assert told(metrics, "rkruntime_messages_in_flight") == 3
        assert told(metrics, "rkruntime_actor_restarts_total", actor="napper") == 1
        assert told(metrics, "rkruntime_actor_messages_total", actor="napper") == 1
        assert told(metrics, "rkruntime_actor_events_total", event="crashed") == 1
        assert told(metrics, "rkruntime_actors") == 1
        await trio.sleep(7)
        assert told(metrics, "rkruntime_messages_total", outcome="completed") == 3
        assert told(metrics, "rkruntime_messages_total", outcome="failed") == 1
        assert told(metrics, "rkruntime_message_wait_seconds_sum") == 0 + 2 + 4
        assert told(metrics, "rkruntime_message_run_seconds_sum") == 3 * 2


@pytest.mark.parametrize("beside", [[], [RecordingHook()]])
async def test_messages_are_counted_the_same_whatever_else_is_kept_of_them(
    beside: list[RecordingHook], autojump_clock: trio.testing.MockClock
) -> None:
    metrics = Metrics()
    async with open_runtime(device=FakeDevice(), hooks=[metrics, *beside]) as runtime, trio.open_nursery() as nursery:
        napper = await runtime.spawn(Napper, name="napper")
        for _ in range(600):
            await napper.ask(Napper.nap, 0.5)
        nursery.start_soon(napper.ask, Napper.nap, 2.0)
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1.0):
            await napper.ask(Napper.nap, 9.0)  # which never began
        await napper.ask(Napper.nap, 1.0)
        with trio.move_on_after(4.0):
            await napper.ask(Napper.nap, 9.0)
        with following(HEADER):
            await napper.ask(Napper.nap, 8.0)
        with pytest.raises(RkError):
            await napper.ask(Napper.crash)
        assert told(metrics, "rkruntime_messages_total", outcome="completed") == 600 + 3
        assert told(metrics, "rkruntime_messages_total", outcome="cancelled") == 2
        assert told(metrics, "rkruntime_messages_total", outcome="failed") == 1
        assert told(metrics, "rkruntime_message_run_seconds_count") == 600 + 6
        assert told(metrics, "rkruntime_message_run_seconds_sum") == 300 + 2 + 1 + 4 + 8
        assert told(metrics, "rkruntime_message_wait_seconds_sum") == 1 + 1


async def test_memory_is_told_by_kind_class_and_level(autojump_clock: trio.testing.MockClock) -> None:
    metrics = Metrics()
    config = RuntimeConfig(memory=MemoryConfig(max_gpu_memory=2**20))
    async with open_runtime(config, device=FakeDevice(), hooks=[metrics]) as runtime:
        array = await runtime.empty(900 * 1024, np.uint8)
        assert told(metrics, "rkruntime_memory_bytes", kind="limit") == 2**20
        assert told(metrics, "rkruntime_memory_bytes", kind="requested") == 900 * 1024
        assert told(metrics, "rkruntime_memory_bytes", kind="allocated") == 2**20
        assert told(metrics, "rkruntime_memory_class_blocks", block_bytes="1048576", state="live") == 1
        assert told(metrics, "rkruntime_memory_pressure", level="emergency") == 1
        assert told(metrics, "rkruntime_memory_pressure", level="normal") == 0
        array.free()
        assert told(metrics, "rkruntime_memory_pressure_changes_total", level="emergency") == 1
        assert told(metrics, "rkruntime_memory_pressure", level="normal") == 1
    assert not any(name.startswith("rkruntime_memory_bytes") for name, _ in samples(metrics)), "released"


async def test_the_drain_is_told_while_it_lasts_and_when_it_is_over(autojump_clock: trio.testing.MockClock) -> None:
    metrics = Metrics()
    async with open_runtime(device=FakeDevice(), hooks=[metrics]) as runtime, trio.open_nursery() as nursery:
        napper = await runtime.spawn(Napper)
        nursery.start_soon(napper.ask, Napper.nap, 2.0)
        await trio.testing.wait_all_tasks_blocked()
        assert told(metrics, "rkruntime_drain_seconds") == 0
        runtime.request_shutdown()
        await trio.testing.wait_all_tasks_blocked()
        assert told(metrics, "rkruntime_state", state="draining") == 1
        assert told(metrics, "rkruntime_state", state="running") == 0
        assert told(metrics, "rkruntime_messages_in_flight") == 1
        assert told(metrics, "rkruntime_drain_seconds") > 0
    assert told(metrics, "rkruntime_drain_seconds") == 2.0
    assert told(metrics, "rkruntime_drain_messages", outcome="completed") == 1
    assert told(metrics, "rkruntime_transitions_total", state="stopped") == 1


async def test_exemplars_name_the_trace_of_the_launch(autojump_clock: trio.testing.MockClock) -> None:
    metrics = Metrics()
    async with open_runtime(device=FakeDevice(job_s=0.03), hooks=[metrics]) as runtime:
        kernel = await runtime.spawn(fill)
        await kernel.launch(np.zeros(4), over=4)
        with following(HEADER):
            await kernel.launch(np.zeros(4), over=4)
    families = openmetrics.text_string_to_metric_families(metrics.render()[0].decode())
    (found,) = [
        sample
        for family in families
        if family.name == "rkruntime_launch_seconds"
        for sample in family.samples
        if sample.exemplar is not None
    ]
    assert found.labels == {"kernel": "fill", "le": "0.05"}
    assert found.exemplar.labels["trace_id"] == HEADER[3:35]
    assert found.exemplar.value == pytest.approx(0.03)


async def test_a_scrape_off_the_runtimes_thread_says_the_same_while_it_works(
    autojump_clock: trio.testing.MockClock,
) -> None:
    metrics = Metrics()
    async with open_runtime(device=FakeDevice(), hooks=[metrics]) as runtime:
        refs = [await runtime.spawn(Napper) for _ in range(20)]
        pages: list[tuple[bytes, str]] = []

        async def scrape() -> None:
            while len(pages) < 20:
                pages.append(await trio.to_thread.run_sync(metrics.render))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(scrape)
            for _ in range(50):
                await (await runtime.spawn(Napper)).stop()
                for ref in refs:
                    await ref.ask(Napper.nap, 0.0)
    assert len(pages) == 20
    for page, _ in pages:
        assert list(openmetrics.text_string_to_metric_families(page.decode()))


def test_both_formats_hold_the_same_samples() -> None:
    metrics = fed()
    page, kind = metrics.render("text/plain")
    assert kind == TEXT
    assert b" # {" not in page
    classic = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parser.text_string_to_metric_families(page.decode())
        for sample in family.samples
    }
    assert classic == samples(metrics)


KERNELS = [f"kernel_{number}" for number in range(2 * OF_A_BLOCK + 3)]
ENDED = st.tuples(st.sampled_from(KERNELS), st.sampled_from(["completed", "failed"]), st.booleans())


@given(st.lists(st.tuples(ENDED, st.sampled_from([OPENMETRICS, "text/plain", None]))))
def test_a_scrape_says_what_ended_since_the_last(steps: list[tuple[tuple[str, str, bool], str | None]]) -> None:
    scraped, counted = Metrics(), []
    first = [((kernel, "completed", False), None) for kernel in KERNELS]
    for (kernel, outcome, traced), accept in [*first, *steps]:
        record = LaunchRecord(kernel, "fake", "loop", (1, 1, 1), (1, 1, 1), 0.5, 0.25, 0.0, 1.0, 0.0, 1.75)
        trace = Trace.begin() if traced else None
        known = record if outcome == "completed" else None
        counted.append(LaunchDone(len(counted), kernel, "a", outcome, 0.0, 1.75, known, "", 0, trace))
        scraped(counted[-1])
        if accept is not None:
            scraped.render(accept)
    fresh = Metrics()
    for done in counted:
        fresh(done)
    for accept in (OPENMETRICS, "text/plain"):
        assert lines_of(scraped, accept) == lines_of(fresh, accept)


def lines_of(metrics: Metrics, accept: str) -> list[bytes]:
    """The lines about launches, exemplars' times of day aside."""
    return [
        line.rpartition(b" ")[0] if b" # {" in line else line
        for line in metrics.render(accept)[0].splitlines()
        if line.startswith(b"rkruntime_launch")
    ]


def fed() -> Metrics:
    metrics = Metrics()
    record = LaunchRecord("fill", "fake", "loop", (1, 1, 1), (1, 1, 1), 0.5, 0.25, 0.0, 1.0, 0.0, 1.75)
    metrics(LaunchDone(1, "fill", "a", "completed", 0.0, 1.75, record, "", 0, Trace.begin()))
    metrics(RequestDone("/v1/kernels/{name}/launch", "POST", 200, 0.01, Trace.begin()))
    metrics.dropped["spans"] = lambda: 3
    return metrics


def test_requests_and_what_was_dropped_are_told() -> None:
    metrics = fed()
    route = "/v1/kernels/{name}/launch"
    assert told(metrics, "rkruntime_http_requests_total", route=route, method="POST", status="200") == 1
    assert told(metrics, "rkruntime_http_request_seconds_bucket", route=route, le="0.01") == 1
    assert told(metrics, "rkruntime_dropped_total", what="spans") == 3


def test_no_request_is_lost_between_its_end_and_a_scrape_on_another_thread() -> None:
    counts = RequestCounts()

    def end_many() -> None:
        for number in range(5_000):
            counts.note("/", "GET", 200 + number % 2, 0.01)

    with ThreadPoolExecutor(1) as other:
        ended = other.submit(end_many)
        while not ended.done():
            told = sum(count for _, count in counts.by_answer())
            assert sum(counts.took()[0][1].counts if told else [0]) >= told
        ended.result()
    assert dict(counts.by_answer()) == {("/", "GET", "200"): 2_500, ("/", "GET", "201"): 2_500}
    ((_, took),) = counts.took()
    assert sum(took.counts) == 5_000
    assert took.sum_s == pytest.approx(50.0)


def test_no_launch_is_lost_between_its_end_and_a_scrape_on_another_thread() -> None:
    metrics = Metrics()
    record = LaunchRecord("fill", "fake", "loop", (1, 1, 1), (1, 1, 1), 0.0, 0.25, 0.5, 1.0, 0.0, 1.75)

    def launch_many() -> None:
        for number in range(5_000):
            metrics(LaunchDone(number, "fill", "a", "completed", 0.0, 1.75, record))

    with ThreadPoolExecutor(1) as other:
        launched = other.submit(launch_many)
        while not launched.done():
            metrics.render()
        launched.result()
    assert told(metrics, "rkruntime_launches_total", kernel="fill", outcome="completed") == 5_000
    assert told(metrics, "rkruntime_launch_seconds_count", kernel="fill") == 5_000
    assert told(metrics, "rkruntime_launch_queue_seconds_sum") == 2_500


def test_launches_are_counted_too_where_nobody_scrapes_and_at_once_where_they_are_traced() -> None:
    metrics = Metrics()
    for number in range(3 * MOST_UNCOUNTED):
        metrics(LaunchDone(number, "fill", "a", "failed", 0.0, 1.75, None))
    assert metrics.launches.kernels["fill"].outcomes["failed"] == 3 * MOST_UNCOUNTED
    metrics(LaunchDone(0, "fill", "a", "failed", 0.0, 1.75, None))
    metrics(LaunchDone(0, "fill", "a", "failed", 0.0, 1.75, None, "", 0, Trace.begin()))
    assert metrics.launches.kernels["fill"].outcomes["failed"] == 3 * MOST_UNCOUNTED + 2


def test_an_applications_own_registry_takes_them() -> None:
    metrics = fed()
    registry = CollectorRegistry()
    registry.register(metrics)
    labels = {"kernel": "fill", "outcome": "completed"}
    assert registry.get_sample_value("rkruntime_launches_total", labels) == 1


@given(st.text(max_size=40))
def test_any_name_of_a_kernel_is_escaped(name: str) -> None:
    metrics = Metrics()
    metrics(LaunchDone(1, name, "", "failed", 0.0, 1.0, None, "ValueError"))
    found = {
        labels for (what, labels), value in samples(metrics).items() if what == "rkruntime_launches_total" and value
    }
    assert found == {(("kernel", name), ("outcome", "failed"))}


@given(st.lists(st.floats(0, 100, allow_nan=False)))
def test_every_duration_is_in_one_bucket_that_bounds_it(durations: list[float]) -> None:
    histogram = Histogram()
    for seconds in durations:
        histogram.observe(seconds)
    bounds = [*BOUNDS_S, float("inf")]
    for bucket, bound in enumerate(bounds):
        assert sum(histogram.counts[: bucket + 1]) == sum(seconds <= bound for seconds in durations)
    assert histogram.sum_s == pytest.approx(sum(durations))


async def test_every_metric_of_the_table_is_served_and_no_other(autojump_clock: trio.testing.MockClock) -> None:
    metrics = Metrics()
    async with open_runtime(device=FakeDevice(), hooks=[metrics]):
        page = metrics.render()[0].decode()
    heads = [line.split()[2:4] for line in page.splitlines() if line.startswith("# TYPE")]
    assert sorted(heads) == sorted([metric.name, metric.kind] for metric in TABLE.values())


def test_the_page_is_written_from_the_table() -> None:
    script = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "write_metrics.py"))
    assert script["PAGE"].read_text() == script["page"](), "run docs/write_metrics.py"
