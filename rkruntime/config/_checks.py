"""What is wrong with a configuration that no value shows by itself: each check is one function of the whole."""

from __future__ import annotations

import ipaddress
import urllib.parse
from collections.abc import Callable, Iterator, Mapping

import attrs

from rkruntime.config._about import HIDDEN
from rkruntime.config._kinds import shown
from rkruntime.config._layers import Origin
from rkruntime.config._machine import Machine
from rkruntime.config._production import ProductionConfig
from rkruntime.config._settings import setting_at, value_at
from rkruntime.errors import ConfigurationProblem
from rkruntime.redact import redacted, redacted_text
from rkruntime.units import ByteSize

__all__ = ("Checked", "check_config")

MOST_WORKERS_A_CORE = 4
WAYS_IN = ("admin_key_hash", "api_keys_file", "oidc_jwks", "tls_role_map")


@attrs.frozen
class Checked:
    """What the checks found.

    Args:
        errors: What cannot work.
        warnings: What works, but is hardly what is wanted.
    """

    errors: tuple[ConfigurationProblem, ...]
    warnings: tuple[ConfigurationProblem, ...]


@attrs.frozen
class Finding:
    """One thing found: the setting to change, what is wrong, and what to do."""

    path: str
    what: str
    mend: str
    is_error: bool = False


Check = Callable[[ProductionConfig, Machine], Iterator[Finding]]


def check_config(config: ProductionConfig, machine: Machine, origins: Mapping[str, Origin] | None = None) -> Checked:
    """Check a configuration against itself and a machine.

    Args:
        config: It is well-formed: its classes have seen to that.
        machine: Where it is to run.
        origins: Where its values came from, for messages.
    """
    found = [finding for one in CHECKS for finding in one(config, machine)]
    errors = tuple(_problem(config, finding, origins) for finding in found if finding.is_error)
    return Checked(errors, tuple(_problem(config, finding, origins) for finding in found if not finding.is_error))


def _problem(config: ProductionConfig, finding: Finding, origins: Mapping[str, Origin] | None) -> ConfigurationProblem:
    setting = setting_at(finding.path)
    value = value_at(config, finding.path)
    told = HIDDEN if setting.about.secret else redacted_text(shown(setting.kind.write(value)))
    return ConfigurationProblem(
        where=origins[finding.path].where if origins else "configuration",
        path=finding.path,
        what=f"{finding.what}" if value is None else f"= {told}: {finding.what}",
        mend=finding.mend,
        value=HIDDEN if setting.about.secret else redacted(value),
    )


def staging_fits(config: ProductionConfig, machine: Machine) -> Iterator[Finding]:
    """Staging memory is memory of the host, and much of it is pinned."""
    if config.memory.max_staging_memory > machine.memory_bytes:
        what = f"the machine has {ByteSize(machine.memory_bytes // 2**20 * 2**20)} in all"
        yield Finding("memory.max_staging_memory", what, "lower it", is_error=True)


def host_memory_fits(config: ProductionConfig, machine: Machine) -> Iterator[Finding]:
    """The CPU device takes its memory from the host."""
    on_cpu = config.runtime.device == "cpu" or not config.runtime.gpu_enabled
    if on_cpu and config.memory.max_gpu_memory > machine.memory_bytes:
        what = f"the CPU device takes it from the machine, which has {ByteSize(machine.memory_bytes // 2**20 * 2**20)}"
        yield Finding("memory.max_gpu_memory", what, "lower it")


def workers_fit(config: ProductionConfig, machine: Machine) -> Iterator[Finding]:
    """Workers compute: more than a few for each core slow each other down."""
    if config.runtime.worker_threads > MOST_WORKERS_A_CORE * machine.cores:
        what = f"there are {machine.cores} cores"
        yield Finding("runtime.worker_threads", what, f"{machine.cores} is enough for kernels that compute")


def production_is_secured(config: ProductionConfig, _: Machine) -> Iterator[Finding]:
    """Production is not for everyone who reaches the port."""
    if config.environment == "production" and not config.security.rbac_enabled:
        what = "in production, everyone who reaches the service may do everything"
        yield Finding("security.rbac_enabled", what, "set it to true, or give environment another name")
    if not _is_local(config.service.host) and not config.security.rbac_enabled:
        yield Finding("service.host", "others reach it, and no role is demanded", "set security.rbac_enabled to true")


def someone_gets_in(config: ProductionConfig, _: Machine) -> Iterator[Finding]:
    """Roles come from keys, tokens and certificates: neither side makes sense without the other."""
    security = config.security
    ways = [name for name in WAYS_IN if getattr(security, name) is not None]
    if security.rbac_enabled and not ways:
        what = "nothing says who has a role, so the service refuses everyone"
        yield Finding("security.rbac_enabled", what, f"give one of {', '.join(f'security.{name}' for name in WAYS_IN)}")
    if ways and not security.rbac_enabled:
        yield Finding(f"security.{ways[0]}", "no role is demanded", "set security.rbac_enabled to true")


def keys_travel_hidden(config: ProductionConfig, _: Machine) -> Iterator[Finding]:
    """Whoever reads a key on its way has it."""
    in_clear = config.security.tls_certificate is None and not _is_local(config.service.host)
    if config.security.rbac_enabled and in_clear:
        mend = "give security.tls_certificate, or end TLS at a proxy on this machine and listen at 127.0.0.1"
        yield Finding("service.host", "keys and tokens reach it in clear", mend)


def tls_is_whole(config: ProductionConfig, _: Machine) -> Iterator[Finding]:
    """A certificate and its key go together, and clients' certificates come with them."""
    pair = {name: getattr(config.security, name) for name in ("tls_certificate", "tls_key")}
    missing = [name for name, value in pair.items() if value is None]
    if len(missing) == 1:
        given = next(name for name in pair if name not in missing)
        yield _of_no_use_without(given, missing[0])
    for name, needs in (("tls_client_ca", "tls_certificate"), ("tls_role_map", "tls_client_ca")):
        if getattr(config.security, name) is not None and getattr(config.security, needs) is None:
            yield _of_no_use_without(name, needs)


def tokens_can_be_checked(config: ProductionConfig, _: Machine) -> Iterator[Finding]:
    """A token is for one audience from one issuer; another's is none, even if its signature is right."""
    security = config.security
    for name in ("oidc_issuer", "oidc_audience"):
        if getattr(security, name) is not None and security.oidc_jwks is None:
            what = "tokens cannot be checked without security.oidc_jwks"
            yield Finding(f"security.{name}", what, "give security.oidc_jwks too", is_error=True)
        if getattr(security, name) is None and security.oidc_jwks is not None:
            what = f"without security.{name}, tokens that are meant for others would be taken"
            yield Finding("security.oidc_jwks", what, f"give security.{name} too", is_error=True)
    if security.oidc_jwks is not None and security.oidc_role_map is None:
        yield Finding("security.oidc_jwks", "no token gives a role", "give security.oidc_role_map")


def keys_come_unchanged(config: ProductionConfig, _: Machine) -> Iterator[Finding]:
    """Whoever can change the keys on their way can make tokens."""
    url = urllib.parse.urlsplit(config.security.oidc_jwks or "")
    if url.scheme and url.scheme not in ("http", "https"):
        yield Finding("security.oidc_jwks", "it is neither a file nor a URL", "give https://...", is_error=True)
    if url.scheme == "http" and not _is_local(url.hostname or ""):
        what = "whoever is on the way there can put in keys"
        yield Finding("security.oidc_jwks", what, "give a URL with https", is_error=True)


def _of_no_use_without(name: str, needs: str) -> Finding:
    what = f"it is of no use without security.{needs}"
    return Finding(f"security.{name}", what, f"give security.{needs} too", is_error=True)


def spans_go_somewhere(config: ProductionConfig, _: Machine) -> Iterator[Finding]:
    """Tracing needs a place to go to, and a place is of no use without tracing."""
    told = config.observability
    places = [name for name in ("trace_file", "otlp_endpoint") if getattr(told, name) is not None]
    if told.tracing_enabled and not places:
        mend = "give observability.otlp_endpoint or observability.trace_file"
        yield Finding("observability.tracing_enabled", "spans go nowhere", mend)
    if places and not told.tracing_enabled:
        what = "nothing is traced"
        yield Finding(f"observability.{places[0]}", what, "set observability.tracing_enabled to true")
    if told.otlp_headers is not None and told.otlp_endpoint is None:
        yield Finding("observability.otlp_headers", "there is no collector", "give observability.otlp_endpoint")


def the_group_has_roles(config: ProductionConfig, _: Machine) -> Iterator[Finding]:
    """To connect to the control socket is no use to who has no role there."""
    if config.runtime.socket_group is not None and config.runtime.socket_role_map is None:
        what = "its members may do nothing, so the control socket stays closed to them"
        mend = f'give runtime.socket_role_map, such as "group:{config.runtime.socket_group}=viewer"'
        yield Finding("runtime.socket_group", what, mend)


CHECKS: tuple[Check, ...] = (
    staging_fits,
    host_memory_fits,
    workers_fit,
    production_is_secured,
    someone_gets_in,
    keys_travel_hidden,
    tls_is_whole,
    tokens_can_be_checked,
    keys_come_unchanged,
    spans_go_somewhere,
    the_group_has_roles,
)


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
