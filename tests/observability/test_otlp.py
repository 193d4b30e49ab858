"""Spans in OpenTelemetry's protocol, read back by OpenTelemetry's own classes; and what a collector may answer."""

import logging

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from otlp_collector import attributes, collecting

from rkruntime.context import Trace
from rkruntime.observability import RequestDone, Tracing
from rkruntime.observability._otlp import export_request, span_field
from rkruntime.observability._spans import SpanData

ids = st.integers(1, 2**64 - 1)
texts = st.text(max_size=300)
values = texts | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
spans = st.builds(
    SpanData,
    texts,
    st.builds(Trace, st.integers(1, 2**128 - 1), ids, st.just(True), ids | st.just(0)),
    st.floats(0, 2e9),
    st.floats(0, 2e9),
    st.dictionaries(texts, values, max_size=5),
    texts,
    st.booleans(),
)


@given(spans=st.lists(spans, max_size=3), resource=st.dictionaries(texts, texts, max_size=3))
def test_spans_are_read_back_as_they_were(spans: list[SpanData], resource: dict[str, str]) -> None:
    body = export_request(resource, ("rkruntime", "1.0"), [span_field(span, 0.5) for span in spans])
    (of_process,) = ExportTraceServiceRequest.FromString(body).resource_spans
    (of_scope,) = of_process.scope_spans
    assert attributes(of_process.resource) == resource
    assert (of_scope.scope.name, of_scope.scope.version) == ("rkruntime", "1.0")
    assert len(of_scope.spans) == len(spans)
    for read, span in zip(of_scope.spans, spans, strict=True):
        trace = span.trace
        assert (read.trace_id.hex(), read.span_id.hex()) == (trace.trace_hex, trace.span_hex)
        assert int.from_bytes(read.parent_span_id, "big") == trace.parent_id
        assert read.name == span.name
        assert read.kind == (Span.SPAN_KIND_SERVER if span.serves else Span.SPAN_KIND_INTERNAL)
        assert read.start_time_unix_nano == round((span.began_s + 0.5) * 1e9)
        assert read.end_time_unix_nano == round((span.ended_s + 0.5) * 1e9)
        assert attributes(read) == span.attributes
        assert read.status.message == span.error
        assert read.status.code == (Status.STATUS_CODE_ERROR if span.error else Status.STATUS_CODE_UNSET)
        assert bool(read.flags & 0x200) == (span.serves and trace.parent_id != 0), "the parent is in another process"
        assert read.flags & 0x1FF == 0x101


def test_a_text_that_is_no_unicode_and_a_time_before_1970_are_sent_all_the_same() -> None:
    span = SpanData("\udc80", Trace.begin(), -5.0, 1.0, {})
    body = export_request({}, ("rkruntime", "1.0"), [span_field(span, 0.0)])
    (read,) = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    assert (read.name, read.start_time_unix_nano, read.end_time_unix_nano) == ("?", 0, 10**9)


async def test_a_collector_that_is_busy_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    with collecting() as collector:
        collector.status = 503
        tracing = Tracing(collector.url)
        tracing.end_request(RequestDone("/", "GET", 200, 0.1, Trace.begin(), "r-1", 1e9))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, tracing.flush)
            assert await trio.to_thread.run_sync(collector.refused.wait, 10)
            collector.status = 200
        assert [span.name for span in collector.spans] == ["GET /"]
        tracing.close()
    assert (tracing.dropped, caplog.records) == (0, [])


def test_a_collector_that_stays_away_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    with collecting() as collector:
        collector.status = 400
        tracing = Tracing(collector.url)
        for _ in range(3):
            tracing.end_request(RequestDone("/", "GET", 200, 0.1, Trace.begin(), "r-1", 1e9))
            tracing.flush()
        tracing.close()
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.name for record in told] == ["rkruntime.observability"]
    assert (tracing.dropped, "400" in told[0].getMessage()) == (3, True)


def test_opentelemetrys_own_settings_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,k8s.pod.name=a%2Fb")
    with collecting() as collector:
        tracing = Tracing(collector.url, resource={"service.name": "waves"})
        tracing.end_request(RequestDone("/", "GET", 200, 0.1, Trace.begin(), "r-1", 1e9))
        tracing.close()
    assert collector.headers[0]["content-encoding"] == "gzip"
    assert collector.resources[0]["k8s.pod.name"] == "a/b"
    assert collector.resources[0]["service.name"] == "waves", "what is given here goes before the environment"
    assert [span.name for span in collector.spans] == ["GET /"]
