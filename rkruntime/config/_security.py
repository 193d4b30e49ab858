"""Who may do what over the service, and what is written down of it."""

from __future__ import annotations

from typing import ClassVar

import attrs

from rkruntime.config._about import about, cleaned, documented, hidden
from rkruntime.config._kinds import Boolean, Bytes, Maybe, OneOf, Seconds, Text, to_bytes, to_duration
from rkruntime.units import ByteSize, Duration

__all__ = ("SecurityConfig",)

FILE = Text(form="the path of a file")
KEY_HASH = Text(
    r"[a-z0-9]{8}:scrypt:[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}:[A-Za-z0-9_-]{22}:[A-Za-z0-9_-]{43}",
    "a line that `rustkernel keys create --print-hash` printed",
)
ROLE_MAP = Text(
    r"[^\x00-\x1f\x7f;]+=\s*(viewer|operator|admin)\s*(;[^\x00-\x1f\x7f;]+=\s*(viewer|operator|admin)\s*)*;?\s*",
    'names and their roles, such as "gpu-users=operator; gpu-admins=admin"',
)
HOSTS = Text(
    r"[A-Za-z0-9.:\[\]_-]+(\s*,\s*[A-Za-z0-9.:\[\]_-]+)*", 'names of hosts, such as "gpu.example.org, gpu.internal"'
)


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
        metadata=about("The id and scrypt hash of one API key that has the role admin.", secret=True),
    )
    api_keys_file: str | None = attrs.field(
        default=None,
        validator=Maybe(FILE),
        metadata=about("A file of API keys, hashed, with their roles; read again when it changes."),
    )
    oidc_jwks: str | None = attrs.field(
        default=None,
        validator=Maybe(Text()),
        repr=cleaned,
        metadata=about("A file or https URL with the keys (JWKS) that bearer tokens are checked against."),
    )
    oidc_issuer: str | None = attrs.field(
        default=None, validator=Maybe(Text()), metadata=about("The issuer that bearer tokens must name.")
    )
    oidc_audience: str | None = attrs.field(
        default=None, validator=Maybe(Text()), metadata=about("The audience that bearer tokens must name.")
    )
    oidc_role_claim: str = attrs.field(
        default="roles",
        validator=Text(),
        metadata=about("The claim that holds a token's roles or groups; dots lead into objects: realm_access.roles."),
    )
    oidc_role_map: str | None = attrs.field(
        default=None,
        validator=Maybe(ROLE_MAP),
        metadata=about("What the values of oidc_role_claim are here; others are no role."),
    )
    oidc_leeway: Duration = attrs.field(
        default=Duration("30s"),
        converter=to_duration,
        validator=Seconds(zero=True),
        metadata=about("How far the clock of the issuer may be off."),
    )
    oidc_jwks_refresh: Duration = attrs.field(
        default=Duration("5m"),
        converter=to_duration,
        validator=Seconds(),
        metadata=about("How long the keys of oidc_jwks are used before they are read again."),
    )
    audit_logging: bool = attrs.field(
        default=False,
        validator=Boolean(),
        metadata=about("Write every decision and every administrative act to audit_file."),
    )
    audit_file: str = attrs.field(
        default="rustkernel-audit.jsonl",
        validator=FILE,
        metadata=about("The audit log: JSON lines, append-only, each chained to the one before by its hash."),
    )
    audit_key_file: str | None = attrs.field(
        default=None,
        validator=Maybe(FILE),
        metadata=about("A secret key of the audit log's chain, 32 bytes or more: without it nobody can write it anew."),
    )
    audit_fsync: str = attrs.field(
        default="interval",
        validator=OneOf(("always", "interval", "never")),
        metadata=about("When the audit log is forced to the disk: at every record, every second, or by the system."),
    )
    audit_rotate_size: ByteSize = attrs.field(
        default=ByteSize("64MiB"),
        converter=to_bytes,
        validator=Bytes(),
        metadata=about("Size at which the audit log goes on in a new file; the old one gets its last record's number."),
    )
    tls_certificate: str | None = attrs.field(
        default=None,
        validator=Maybe(FILE),
        metadata=about("The service's certificate chain, a PEM file; read again when it changes."),
    )
    tls_key: str | None = attrs.field(
        default=None, validator=Maybe(FILE), metadata=about("The private key of tls_certificate, a PEM file.")
    )
    tls_client_ca: str | None = attrs.field(
        default=None,
        validator=Maybe(FILE),
        metadata=about("The authorities whose client certificates are taken (mutual TLS), a PEM file."),
    )
    tls_client_certificates: str = attrs.field(
        default="required",
        validator=OneOf(("optional", "required")),
        metadata=about("Whether a client may come without a certificate, where tls_client_ca is given."),
    )
    tls_role_map: str | None = attrs.field(
        default=None,
        validator=Maybe(ROLE_MAP),
        metadata=about('What clients are by a name of their certificate: "CN=ann,O=Lab=admin; DNS:cron.lab=operator".'),
    )
    allowed_hosts: str | None = attrs.field(
        default=None,
        validator=Maybe(HOSTS),
        metadata=about(
            "Names that requests may call the service by, besides addresses; local ones at a local address."
        ),
    )
