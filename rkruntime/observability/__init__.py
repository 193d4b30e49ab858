"""What a runtime tells of itself: metrics, traces and logs, all as hooks over the records that it hands out.

OpenTelemetry is imported where spans are sent, prometheus-client where its registry is used: the rest needs neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rkruntime.observability._logs import LogRecords as LogRecords
from rkruntime.observability._metrics import Metrics as Metrics
from rkruntime.observability._observability import Observability as Observability
from rkruntime.observability._requests import RequestDone as RequestDone
from rkruntime.observability._trace_file import TraceFile as TraceFile

if TYPE_CHECKING:
    from rkruntime.observability._tracing import Tracing as Tracing


def __getattr__(name: str) -> Any:
    import importlib

    if name != "Tracing":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}._tracing").Tracing


__all__ = ("LogRecords", "Metrics", "Observability", "RequestDone", "TraceFile", "Tracing")
