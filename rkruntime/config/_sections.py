"""What surrounds the runtime: its front door, who may use it, and what it tells of itself."""

from __future__ import annotations

from typing import ClassVar

import attrs

from rkruntime.config._about import about, documented, hidden
from rkruntime.config._kinds import Boolean, Bytes, Count, Fraction, Maybe, Seconds, Text, to_bytes, to_duration
from rkruntime.units import ByteSize, Duration

__all__ = ("ObservabilityConfig", "SecurityConfig", "ServiceConfig")

A_FILE = Maybe(Text(form="the path of a file"))
A_NAME = Maybe(Text())
URL = Text(r"https?://[^\s\x00-\x1f\x7f]+", 'a URL such as "http://localhost:4318"')
KEY_HASH = Text(r"[0-9a-f]{64}", "the SHA-256 of a key, 64 hexadecimal digits in lower case")


@documented
@attrs.frozen(kw_only=True)
class SecurityConfig:
    """Who may do what over the service, and what is written down of it."""

    SECTION: ClassVar[str] = "security"

    rbac_enabled: bool = attrs.field(
        default=False,
        validator=Boolean(),
        metadata=about("Demand a role (viewer, operator or admin) for every request; who has none is refused."),
    )
    admin_key_hash: str | None = attrs.field(
        default=None,
        validator=Maybe(KEY_HASH),
        repr=hidden,
        metadata=about("The SHA-256 of an API key that has the role admin.", secret=True),
    )
    api_keys_file: str | None = attrs.field(
        default=None, validator=A_FILE, metadata=about("A file of API keys, hashed, with their roles.")
    )
    oidc_jwks: str | None = attrs.field(
        default=None,
        validator=A_NAME,
        metadata=about("A file or URL with the keys (JWKS) that bearer tokens are checked against."),
    )
    oidc_issuer: str | None = attrs.field(
        default=None, validator=A_NAME, metadata=about("The issuer that bearer tokens must name.")
    )
    oidc_audience: str | None = attrs.field(
        default=None, validator=A_NAME, metadata=about("The audience that bearer tokens must name.")
    )
    audit_logging: bool = attrs.field(
        default=False, validator=Boolean(), metadata=about("Write every change and every refusal to audit_file.")
    )
    audit_file: str = attrs.field(
        default="rustkernel-audit.jsonl",
        validator=Text(form="the path of a file"),
        metadata=about("The audit log: JSON lines, append-only, each chained to the one before by its hash."),
    )
    tls_certificate: str | None = attrs.field(
        default=None, validator=A_FILE, metadata=about("The service's certificate chain, a PEM file.")
    )
    tls_key: str | None = attrs.field(
        default=None, validator=A_FILE, metadata=about("The private key of tls_certificate, a PEM file.")
    )


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
        default=1.0, validator=Fraction(zero=True), metadata=about("The fraction of requests that are traced.")
    )
    trace_file: str | None = attrs.field(
        default=None, validator=A_FILE, metadata=about("Write one trace of the run for Perfetto to this file.")
    )
    otlp_endpoint: str | None = attrs.field(
        default=None, validator=Maybe(URL), metadata=about("Send spans to this OpenTelemetry collector.")
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
    max_requests: int = attrs.field(
        default=1000, validator=Count(), metadata=about("Requests that may be in progress at once.")
    )
    request_timeout: Duration = attrs.field(
        default=Duration("1m"),
        converter=to_duration,
        validator=Seconds(),
        metadata=about("Time that a request may take before it is cancelled."),
    )
    dashboard_enabled: bool = attrs.field(
        default=True, validator=Boolean(), metadata=about("Serve the dashboard at /.")
    )
