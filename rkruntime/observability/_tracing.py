"""Spans for OpenTelemetry: made from records once the work is over, and sent by OTLP over HTTP from a thread.

OpenTelemetry's SDK is not used: a span that is begun and ended in the hot path costs several times the message that it
describes, and its encoder five times what making the span does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import trio

import rkruntime
from rkruntime.actors import EndedMessages, MessageDone
from rkruntime.context import UNSAMPLED, Trace
from rkruntime.kernels import LaunchDone
from rkruntime.observability._requests import RequestDone
from rkruntime.observability._sampling import begin_traces
from rkruntime.observability._sender import SpanSender
from rkruntime.observability._spans import spans_of
from rkruntime.runtime import Transition

__all__ = ("Tracing", "otlp_headers", "otlp_url")

RATE_LIMIT = 100
"""Traces that begin here in a second at most, unless another number is given."""


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
        said = {
            "service.name": "rkruntime",
            "telemetry.sdk.language": "python",
            "telemetry.sdk.name": "rkruntime",
            "telemetry.sdk.version": rkruntime.__version__,
            **_pairs(os.environ.get("OTEL_RESOURCE_ATTRIBUTES")),
            **(resource or {}),
        }
        self._sender = SpanSender(otlp_url(endpoint), headers or {}, said, ("rkruntime", rkruntime.__version__))
        self.sample_ratio = sample_ratio
        self._to_unix_s = 0.0
        self._of_requests = begin_traces(sample_ratio, rate_limit)
        self.takes: dict[type, Callable[[Any], None]] = {Transition: self._set_clock, LaunchDone: self._take_work}
        self.begin_trace: Callable[[], Trace | None] = begin_traces(sample_ratio, rate_limit).__next__
        """Begins a trace, or says that this work is not traced; on the runtime's thread."""

    @property
    def dropped(self) -> int:
        """Spans that never reached the collector: it did not answer, or they came faster than it took them."""
        return self._sender.dropped

    def begin_request(self) -> Trace:
        """Begin a request's trace, or decide that it is not traced; on the service's thread."""
        return next(self._of_requests) or UNSAMPLED

    def __call__(self, record: object) -> None:
        """Send the spans of a record, where its trace is sampled."""
        if isinstance(record, Transition):
            self._set_clock(record)
        elif isinstance(record, MessageDone | LaunchDone):
            self._take_work(record)

    def _take_work(self, done: MessageDone | LaunchDone) -> None:
        if done.trace is not None and done.trace.sampled:
            self._send(done, self._to_unix_s)

    def take_messages(self, ended: EndedMessages) -> None:
        """Send the spans of those messages whose trace is sampled; on any thread."""
        for done in ended.traced():
            self._take_work(done)

    def _set_clock(self, _: Transition) -> None:
        """Note how Trio's clock and Unix time differ."""
        self._to_unix_s = time.time() - trio.current_time()

    def end_request(self, done: RequestDone) -> None:
        """Send the span of a request, where its trace is sampled; by the service, on its own thread."""
        if done.trace is not None and done.trace.sampled:
            self._send(done, 0.0)

    def _send(self, record: MessageDone | LaunchDone | RequestDone, to_unix_s: float) -> None:
        for span in spans_of(record):
            self._sender.give(span, to_unix_s)

    def flush(self) -> None:
        """Send what waits now, and not in some seconds; blocks until the collector has answered."""
        self._sender.flush()

    def close(self) -> None:
        """Send what is left, and end the thread; blocks for some seconds where the collector does not answer."""
        self._sender.close()


def otlp_url(endpoint: str) -> str:
    """Return where spans go: OTLP's path for traces, unless the endpoint has a path of its own."""
    return endpoint if urlsplit(endpoint).path.strip("/") else endpoint.rstrip("/") + "/v1/traces"


def otlp_headers(text: str | None) -> dict[str, str]:
    """Read headers as `OTEL_EXPORTER_OTLP_HEADERS` holds them: `name=value`, commas between, values URL-encoded."""
    return {name.lower(): value for name, value in _pairs(text).items()}


def _pairs(text: str | None) -> dict[str, str]:
    pairs = (pair.partition("=") for pair in (text or "").split(",") if "=" in pair)
    return {name.strip(): unquote(value.strip()) for name, _, value in pairs}
