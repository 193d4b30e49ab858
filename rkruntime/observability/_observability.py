"""Everything that a runtime tells of itself, as its configuration asks for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rkruntime.config import ProductionConfig
from rkruntime.context import REQUEST_ID, TRACE, Trace
from rkruntime.observability._logs import LogRecords
from rkruntime.observability._metrics import Metrics
from rkruntime.observability._requests import RequestDone
from rkruntime.observability._trace_file import TraceFile

if TYPE_CHECKING:
    from rkruntime.observability._tracing import Tracing

__all__ = ("Observability",)


class Observability:
    """The hooks that a configuration asks for: `with Observability(config) as told`, and `told.hooks` to the runtime.

    The block is left when the runtime has ended: that closes the trace file and sends the last spans.

    Args:
        config: All settings; `observability` says what is on.
        scraped: Whether anybody asks for metrics here.

    Attributes:
        hooks: For `open_runtime(hooks=...)` or `Service(hooks=...)`.
        metrics: What `/metrics` is written from; None where they are off.
        tracing: What sends spans; None where no collector is configured.

    Raises:
        UnreadableInput: The trace file cannot be written.
    """

    def __init__(self, config: ProductionConfig, *, scraped: bool = True) -> None:
        told = config.observability
        self.metrics = Metrics() if told.metrics_enabled and scraped else None
        self.tracing: Tracing | None = None
        self._logs = LogRecords()
        self.hooks: list[Callable[[Any], None]] = [self._logs]
        self._open = ExitStack()
        if self.metrics is not None:
            self.hooks.append(self.metrics)
        if told.tracing_enabled and told.trace_file is not None:
            self._add_trace_file(told.trace_file)
        if told.tracing_enabled and told.otlp_endpoint is not None:
            self._add_tracing(config)

    def _add_trace_file(self, path: str) -> None:
        file = self._open.enter_context(TraceFile(path))
        self.hooks.append(file)
        if self.metrics is not None:
            self.metrics.dropped["trace events"] = lambda: file.dropped

    def _add_tracing(self, config: ProductionConfig) -> None:
        from rkruntime.observability._tracing import Tracing, otlp_headers

        told = config.observability
        tracing = self.tracing = Tracing(
            told.otlp_endpoint or "",
            headers=otlp_headers(told.otlp_headers),
            sample_ratio=told.trace_sample_ratio,
            rate_limit=told.trace_rate_limit,
            resource={
                "service.name": config.service_name,
                "service.version": config.service_version,
                "deployment.environment.name": config.environment,
            },
        )
        self._open.callback(tracing.close)
        self.hooks.append(tracing)
        if self.metrics is not None:
            self.metrics.dropped["spans"] = lambda: tracing.dropped

    def begin_request(self, caller: Trace | None) -> Trace | None:
        """Return a request's span: under its caller's, or one of its own where traces begin here."""
        if caller is not None:
            return caller.child() if caller.sampled else caller
        return None if self.tracing is None else self.tracing.begin_request()

    def end_request(self, route: str, method: str, status: int, took_s: float) -> None:
        """Count a request, log it, and send its span, by the service on its own thread, where its ids are set.

        Args:
            route: As in `RequestDone`.
            method: The same.
            status: The same.
            took_s: The same.
        """
        trace = TRACE.get()
        recorded = trace is not None and trace.sampled
        if not recorded and not self._logs.tells_requests:
            if self.metrics is not None:
                self.metrics.requests.note(route, method, status, took_s)
            return
        done = RequestDone(route, method, status, took_s, trace, REQUEST_ID.get(), time.time())
        self._logs.end_request(done)
        if self.metrics is not None:
            self.metrics.count_request(done)
        if self.tracing is not None:
            self.tracing.end_request(done)

    def close(self) -> None:
        """Write and send what is left; again is harmless."""
        self._open.close()

    def __enter__(self) -> Observability:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
