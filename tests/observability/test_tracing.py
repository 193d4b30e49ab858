"""Traces: from the caller's header to the kernel's stages, as a real collector receives them."""

import logging
from typing import Any

import numpy as np
import pytest
import trio
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from otlp_collector import attributes, collecting
from prometheus_client.openmetrics import parser

from rkruntime.actors import MessageDone
from rkruntime.config import ObservabilityConfig, ProductionConfig
from rkruntime.context import TRACE, Trace, following, parse_traceparent
from rkruntime.observability import Observability, RequestDone, Tracing
from rkruntime.observability._tracing import MOST_WAITING, otlp_headers, otlp_url
from rkruntime.runtime import Actor, open_runtime
from rkruntime.testing import FakeDevice

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def fill(out: Any) -> None:
    out[:] = 1


class Outer(Actor):
    async def outer(self, inner: Any) -> None:
        await inner.ask(Inner.inner, np.zeros(4))


class Inner(Actor):
    async def inner(self, out: Any) -> None:
        await self.launch(fill, out, over=4)

    async def nap(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def crash(self) -> None:
        raise ValueError("on purpose")


async def test_a_trace_goes_from_the_header_through_every_stage(autojump_clock: trio.testing.MockClock) -> None:
    with collecting() as collector:
        tracing = Tracing(collector.url, headers={"x-key": "1"}, resource={"service.name": "waves"}, sample_ratio=0.0)
        async with open_runtime(
            device=FakeDevice(job_s=0.5, copy_s=0.1, host_accessible=False), hooks=[tracing]
        ) as runtime:
            outer, inner = await runtime.spawn(Outer, name="outer"), await runtime.spawn(Inner, name="inner")
            with following(HEADER):
                await outer.ask(Outer.outer, inner)
            await outer.ask(Outer.outer, inner)  # no caller is traced, and none of a ratio of 0 is
        tracing.close()
        spans = {span.span_id: span for span in collector.spans}
        chain = []
        span = collector.named("device")
        while span is not None:
            chain.append(span.name)
            above, span = span.parent_span_id, spans.get(span.parent_span_id)
        launch = collector.named("launch fill")
    assert chain == ["device", "launch fill", "message inner", "message outer"]
    assert above.hex() == HEADER[36:52], "the caller's span"
    assert {span.trace_id.hex() for span in collector.spans} == {HEADER[3:35]}
    assert {"copy in", "device", "copy out"} <= {span.name for span in collector.spans}
    assert all(spans[span.span_id].kind == Span.SPAN_KIND_INTERNAL for span in collector.spans)
    said = attributes(launch)
    assert (said["rkruntime.actor"], said["rkruntime.kernel"], said["rkruntime.grid"]) == ("inner", "fill", "1x1x1")
    assert launch.end_time_unix_nano - launch.start_time_unix_nano == pytest.approx(0.7e9, rel=1e-3)
    for span in collector.spans:
        if span.parent_span_id in spans:
            parent = spans[span.parent_span_id]
            assert parent.start_time_unix_nano <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= parent.end_time_unix_nano
    assert collector.paths == ["/v1/traces"]
    assert collector.headers[0]["x-key"] == "1"
    assert collector.resources[0]["service.name"] == "waves"


async def test_waits_in_a_mailbox_and_failures_are_spans(autojump_clock: trio.testing.MockClock) -> None:
    with collecting() as collector:
        tracing = Tracing(collector.url)
        async with open_runtime(device=FakeDevice(), hooks=[tracing]) as runtime, trio.open_nursery() as nursery:
            inner = await runtime.spawn(Inner)
            nursery.start_soon(inner.ask, Inner.nap, 1.0)
            await trio.testing.wait_all_tasks_blocked()
            with trio.move_on_after(0.5):
                await inner.ask(Inner.nap, 9.0)
            with pytest.raises(Exception, match="on purpose"):
                await inner.ask(Inner.crash)
        tracing.close()
    crash = collector.named("message crash")
    wait = next(span for span in collector.spans if span.parent_span_id == crash.span_id)
    assert (wait.name, crash.status.code) == ("mailbox wait", Status.STATUS_CODE_ERROR)
    assert wait.end_time_unix_nano - wait.start_time_unix_nano == pytest.approx(0.5e9, rel=1e-3)
    naps = {attributes(span)["rkruntime.outcome"] for span in collector.spans if span.name == "message nap"}
    assert naps == {"completed"}, "the one that was withdrawn before a trace began has none"
    assert len({span.trace_id for span in collector.spans}) == 2, "each message began one"


async def test_the_fraction_of_traces_that_is_asked_for_is_recorded(autojump_clock: trio.testing.MockClock) -> None:
    with collecting() as collector:
        tracing = Tracing(collector.url, sample_ratio=0.25, rate_limit=1e6)
        async with open_runtime(device=FakeDevice(), hooks=[tracing]) as runtime:
            inner = await runtime.spawn(Inner)
            for _ in range(1000):
                await inner.ask(Inner.nap, 0.0)
        tracing.close()
    assert 150 < len(collector.spans) < 350, "a binomial of 1,000 at 0.25 strays so far once in 10^12"


def test_a_requests_span_serves_its_caller() -> None:
    with collecting() as collector:
        tracing = Tracing(collector.url)
        caller = parse_traceparent(HEADER)
        assert caller is not None
        trace = caller.child()
        tracing.end_request(RequestDone("/v1/kernels/{name}/launch", "POST", 503, 0.25, trace, "r-1", 1e9))
        tracing.end_request(RequestDone("/healthz", "GET", 200, 0.25, None, "r-2", 1e9))
        tracing.close()
    span = collector.named("POST /v1/kernels/{name}/launch")
    assert (span.kind, span.status.code) == (Span.SPAN_KIND_SERVER, Status.STATUS_CODE_ERROR)
    assert (span.span_id.hex(), span.parent_span_id.hex()) == (trace.span_hex, HEADER[36:52])
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (999_999_999_750_000_000, 10**18)
    assert attributes(span)["http.response.status_code"] == 503
    assert attributes(span)["rkruntime.request_id"] == "r-1"


def test_what_a_collector_refuses_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    with collecting() as collector:
        collector.status = 400
        tracing = Tracing(collector.url)
        for _ in range(3):
            tracing.end_request(RequestDone("/", "GET", 200, 0.1, Trace.begin()))
        tracing.close()
    assert tracing.dropped == 3
    assert caplog.records


def test_a_collector_that_does_not_answer_holds_nothing_up(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, logger="opentelemetry")
    tracing = Tracing("http://127.0.0.1:9")  # the port of discard: nothing listens there
    for _ in range(3 * MOST_WAITING):
        tracing.end_request(RequestDone("/", "GET", 200, 0.1, Trace.begin()))
    tracing.close()
    assert tracing.dropped == 3 * MOST_WAITING


async def test_logs_metrics_and_traces_carry_the_same_ids(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="rkruntime")
    with collecting() as collector:
        told = ObservabilityConfig(tracing_enabled=True, otlp_endpoint=collector.url)
        watch = Observability(ProductionConfig(observability=told, service_name="waves"))
        async with open_runtime(device=FakeDevice(job_s=0.5), hooks=watch.hooks) as runtime:
            kernel = await runtime.spawn(fill, name="filler")
            with following(HEADER, "r-1"):
                await kernel.launch(np.zeros(4), over=4)
                caller = TRACE.get()
        watch.close()
        launch = collector.named("launch fill")
    line: dict[str, Any] = next(
        record.rk_fields for record in caplog.records if getattr(record, "rk_event", "") == "launch completed"
    )
    assert watch.metrics is not None
    exemplar = next(
        sample.exemplar
        for family in parser.text_string_to_metric_families(watch.metrics.render()[0].decode())  # type: ignore[no-untyped-call]
        for sample in family.samples
        if family.name == "rkruntime_launch_seconds" and sample.exemplar is not None
    )
    assert caller is not None
    ids = (launch.trace_id.hex(), launch.span_id.hex())
    assert ids == (line["trace_id"], line["span_id"]) == (exemplar.labels["trace_id"], exemplar.labels["span_id"])
    assert ids[0] == caller.trace_hex
    assert (line["request_id"], line["actor"]) == ("r-1", "filler")
    assert line["launch"] == attributes(launch)["rkruntime.launch"]
    assert collector.resources[0]["service.name"] == "waves"


def test_nothing_is_sent_where_nothing_is_asked_for() -> None:
    with Observability(ProductionConfig()) as watch:
        assert watch.tracing is None
        assert watch.begin_request(None) is None
        watch.end_request("/", "GET", 200, 0.1)
        assert watch.metrics is not None
        assert watch.metrics.requests.by_answer() == [(("/", "GET", "200"), 1)]
    off = ObservabilityConfig(metrics_enabled=False, otlp_endpoint="http://127.0.0.1:9")
    with Observability(ProductionConfig(observability=off)) as watch:
        assert (watch.metrics, watch.tracing, len(watch.hooks)) == (None, None, 1)


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
        ("https://otel.example/tenant/traces", "https://otel.example/tenant/traces"),
    ],
)
def test_an_endpoint_gets_otlps_path(endpoint: str, url: str) -> None:
    assert otlp_url(endpoint) == url


def test_headers_are_read_as_opentelemetry_writes_them() -> None:
    text = "Authorization=Bearer%20a=b, x-tenant = 7,,"
    assert otlp_headers(text) == {"authorization": "Bearer a=b", "x-tenant": "7"}
    assert otlp_headers(None) == {}


def test_messages_of_unsampled_traces_have_no_spans() -> None:
    with collecting() as collector:
        tracing = Tracing(collector.url)
        tracing(MessageDone("a", "step", "completed", 0.0, 1.0, 2.0, 0, Trace(1, 2, False)))
        tracing.close()
    assert collector.spans == []
