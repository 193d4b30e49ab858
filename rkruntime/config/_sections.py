"""What surrounds the runtime: its front door, and what it tells of itself."""

from __future__ import annotations

from typing import ClassVar

import attrs

from rkruntime.config._about import about, cleaned, documented, hidden
from rkruntime.config._kinds import Boolean, Bytes, Count, Fraction, Maybe, Seconds, Text, to_bytes, to_duration
from rkruntime.units import ByteSize, Duration

__all__ = ("ObservabilityConfig", "ServiceConfig")

A_FILE = Maybe(Text(form="the path of a file"))
A_NAME = Maybe(Text())
URL = Text(r"https?://[^\s\x00-\x1f\x7f]+", 'a URL such as "http://localhost:4318"')


@documented
@attrs.frozen(kw_only=True)
class ObservabilityConfig:
    """What the runtime tells of itself, besides its logs."""

    SECTION: ClassVar[str] = "observability"

    metrics_enabled: bool = attrs.field(
        default=True, validator=Boolean(), metadata=about("Serve Prometheus metrics at /metrics.")
    )
    tracing_enabled: bool = attrs.field(
        default=False, validator=Boolean(), metadata=about("Record a span for every stage of a launch.")
    )
    trace_sample_ratio: float = attrs.field(
        default=1.0,
        validator=Fraction(zero=True),
        metadata=about("The fraction of requests, and of messages outside of any, that begin a trace."),
    )
    trace_rate_limit: int = attrs.field(
        default=10,
        validator=Count(),
        metadata=about("Traces that requests begin in a second at most, and as many messages outside of any."),
    )
    trace_file: str | None = attrs.field(
        default=None, validator=A_FILE, metadata=about("Write one trace of the run for Perfetto to this file.")
    )
    otlp_endpoint: str | None = attrs.field(
        default=None, validator=Maybe(URL), repr=cleaned, metadata=about("Send spans to this OpenTelemetry collector.")
    )
    otlp_headers: str | None = attrs.field(
        default=None,
        validator=A_NAME,
        repr=hidden,
        metadata=about("Headers for that collector, as in `authorization=Bearer x`.", secret=True),
    )


@documented
@attrs.frozen(kw_only=True)
class ServiceConfig:
    """The HTTP service."""

    SECTION: ClassVar[str] = "service"

    host: str = attrs.field(
        default="127.0.0.1", validator=Text(), metadata=about("The address to listen at; 0.0.0.0 is every one.")
    )
    port: int = attrs.field(
        default=8080, validator=Count(0, 65535), metadata=about("The port to listen at; 0 takes a free one.")
    )
    max_request_size: ByteSize = attrs.field(
        default=ByteSize("64MiB"),
        converter=to_bytes,
        validator=Bytes(),
        metadata=about("Bytes of a request's body; a larger one is refused before it is read."),
    )
    max_response_size: ByteSize = attrs.field(
        default=ByteSize("64MiB"),
        converter=to_bytes,
        validator=Bytes(),
        metadata=about("Bytes of the outputs that one launch may ask for."),
    )
    max_requests: int = attrs.field(
        default=1000, validator=Count(), metadata=about("Requests that may be in progress at once.")
    )
    max_waiting_requests: int = attrs.field(
        default=1000,
        validator=Count(0),
        metadata=about("Requests that may wait for their turn; one more is refused with 503."),
    )
    max_request_memory: ByteSize = attrs.field(
        default=ByteSize("1GiB"),
        converter=to_bytes,
        validator=Bytes(),
        metadata=about("Bytes of all bodies and outputs held at once; what does not fit is refused with 503."),
    )
    max_connections: int = attrs.field(
        default=10_000, validator=Count(), metadata=about("Connections that may be open at once.")
    )
    rate_limit: int | None = attrs.field(
        default=None,
        validator=Maybe(Count()),
        metadata=about("Requests a second that one caller may make; more are refused with 429. No limit unless set."),
    )
    rate_burst: int = attrs.field(
        default=100,
        validator=Count(),
        metadata=about("Requests that a caller who was quiet may make at once, where rate_limit is set."),
    )
    request_timeout: Duration = attrs.field(
        default=Duration("1m"),
        converter=to_duration,
        validator=Seconds(),
        metadata=about("Time that a request may take before it is cancelled; a caller may ask for less."),
    )
    header_timeout: Duration = attrs.field(
        default=Duration("10s"),
        converter=to_duration,
        validator=Seconds(),
        metadata=about("Time that the header of a request may take to arrive, from its first byte."),
    )
    idle_timeout: Duration = attrs.field(
        default=Duration("75s"),
        converter=to_duration,
        validator=Seconds(),
        metadata=about("Time that a connection may stay open with nothing asked."),
    )
    idempotency_window: Duration = attrs.field(
        default=Duration("10m"),
        converter=to_duration,
        validator=Seconds(),
        metadata=about("Time for which the answer to a launch with an Idempotency-Key is kept."),
    )
    idempotency_memory: ByteSize = attrs.field(
        default=ByteSize("64MiB"),
        converter=to_bytes,
        validator=Bytes(),
        metadata=about("Bytes of the answers kept so; the oldest go first."),
    )
    check_bounds: bool = attrs.field(
        default=False,
        validator=Boolean(),
        metadata=about("Check every index of served kernels on the CPU, which may take several times as long."),
    )
    dashboard_enabled: bool = attrs.field(
        default=True, validator=Boolean(), metadata=about("Serve the dashboard at /.")
    )
