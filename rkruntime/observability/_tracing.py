"""Spans for OpenTelemetry: made from records once the work is over, and sent by OTLP over HTTP from a thread.

The SDK's batch processor and exporter send them; its tracer is not used, since a span that is begun and ended in the
hot path costs several times the message that it describes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import trio
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

import rkruntime
from rkruntime.actors import EndedMessages, MessageDone
from rkruntime.context import UNSAMPLED, Trace
from rkruntime.kernels import LaunchDone
from rkruntime.observability._requests import RequestDone
from rkruntime.observability._sampling import begin_traces
from rkruntime.observability._spans import SpanData, spans_of
from rkruntime.runtime import Transition

__all__ = ("Tracing", "otlp_headers", "otlp_url")

RATE_LIMIT = 10
"""Traces that begin here in a second at most, unless another number is given."""
MOST_WAITING = 8192
"""Spans that wait to be sent at most; more are dropped, and counted."""
SEND_WITHIN_S = 5.0
"""What a collector gets to take a batch, tries again included; at the end, as long for what is left."""


class Tracing:
    """A hook that sends spans to an OpenTelemetry collector, and begins the traces of messages that belong to none.

    A message, launch or request that a traced caller led to is traced as its caller says; of the others, the fraction
    `sample_ratio`, and at most `rate_limit` requests and as many messages a second: a span of every message makes an
    ask three times as long. `close` sends what is left; call it when the runtime has ended, outside its thread.

    Args:
        endpoint: The collector's URL, such as `http://localhost:4318`; `/v1/traces` is added where it has no path.
        headers: To send along, such as `{"authorization": "Bearer x"}`.
        sample_ratio: The fraction of traces begun here that are recorded.
        rate_limit: How many begin here in a second, at most.
        resource: What is said of the whole process, such as `{"service.name": "waves"}`.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        headers: Mapping[str, str] | None = None,
        sample_ratio: float = 1.0,
        rate_limit: float = RATE_LIMIT,
        resource: Mapping[str, str] | None = None,
    ) -> None:
        exporter = OTLPSpanExporter(otlp_url(endpoint), headers=dict(headers or {}), timeout=SEND_WITHIN_S)
        self._counting = _Counting(exporter)
        self._processor = BatchSpanProcessor(self._counting, max_queue_size=MOST_WAITING)
        self._resource = Resource.create({"service.name": "rkruntime", **(resource or {})})
        self._scope = InstrumentationScope("rkruntime", rkruntime.__version__)
        self.sample_ratio = sample_ratio
        self._given = 0
        self._refused = 0
        self._to_unix_s = 0.0
        self._sending = threading.Lock()
        self._of_requests = begin_traces(sample_ratio, rate_limit)
        self.counts_alone = True
        self.takes: dict[type, Callable[[Any], None]] = {Transition: self._set_clock, LaunchDone: self._take_work}
        self.begin_trace: Callable[[], Trace | None] = begin_traces(sample_ratio, rate_limit).__next__
        """Begins a trace, or says that this work is not traced; on the runtime's thread."""

    @property
    def dropped(self) -> int:
        """Spans that never reached the collector: it did not answer, or they came faster than it took them."""
        return self._refused + self._counting.failed

    def begin_request(self) -> Trace:
        """Begin a request's trace, or decide that it is not traced; on the service's thread."""
        return next(self._of_requests) or UNSAMPLED

    def __call__(self, record: object) -> None:
        """Send the spans of a record, where its trace is sampled."""
        if isinstance(record, Transition):
            self._set_clock(record)
        elif isinstance(record, MessageDone | LaunchDone):
            self._take_work(record)

    def take_messages(self, ended: EndedMessages) -> None:
        """Send the spans of those messages whose trace is sampled; on any thread."""
        for done in ended.traced():
            self._take_work(done)

    def _take_work(self, done: MessageDone | LaunchDone) -> None:
        if done.trace is not None and done.trace.sampled:
            for span in spans_of(done):
                self._send(span, self._to_unix_s)

    def _set_clock(self, _: Transition) -> None:
        """Note how Trio's clock and Unix time differ."""
        self._to_unix_s = time.time() - trio.current_time()

    def end_request(self, done: RequestDone) -> None:
        """Send the span of a request, where its trace is sampled; by the service, on its own thread."""
        if done.trace is not None and done.trace.sampled:
            for span in spans_of(done):
                self._send(span, 0.0)

    def _send(self, span: SpanData, to_unix_s: float) -> None:
        with self._sending:
            if self._given - self._counting.taken >= MOST_WAITING:
                self._refused += 1
                return
            self._given += 1
        trace = span.trace
        parent = _context(trace.trace_id, trace.parent_id, remote=span.serves) if trace.parent_id else None
        made = ReadableSpan(
            span.name,
            _context(trace.trace_id, trace.span_id),
            parent,
            self._resource,
            dict(span.attributes),
            kind=SpanKind.SERVER if span.serves else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.UNSET),
            start_time=round((span.began_s + to_unix_s) * 1e9),
            end_time=round((span.ended_s + to_unix_s) * 1e9),
            instrumentation_scope=self._scope,
        )
        self._processor.on_end(made)

    def flush(self) -> None:
        """Send what waits now, and not in some seconds; blocks until the collector has answered."""
        self._processor.force_flush()

    def close(self) -> None:
        """Send what is left, and end the thread; blocks for some seconds where the collector does not answer."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]


class _Counting(SpanExporter):
    """Counts what an exporter takes, and what it does not deliver."""

    def __init__(self, inner: SpanExporter) -> None:
        self.taken = 0
        self.failed = 0
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand on a batch."""
        self.taken += len(spans)
        result = self._inner.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self.failed += len(spans)
        return result

    def shutdown(self) -> None:
        """End the exporter."""
        self._inner.shutdown()


def _context(trace_id: int, span_id: int, remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id, remote, TraceFlags(TraceFlags.SAMPLED))


def otlp_url(endpoint: str) -> str:
    """Return where spans go: OTLP's path for traces, unless the endpoint has a path of its own."""
    return endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + "/v1/traces"


def otlp_headers(text: str | None) -> dict[str, str]:
    """Read headers as `OTEL_EXPORTER_OTLP_HEADERS` holds them: `name=value`, commas between, values URL-encoded."""
    pairs = (pair.partition("=") for pair in (text or "").split(",") if "=" in pair)
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}
