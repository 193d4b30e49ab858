"""Build a configuration step by step, as the RustKernels chapter does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar

from rkruntime.config._presets import RuntimePreset
from rkruntime.config._production import ProductionConfig

__all__ = (
    "MemorySettings",
    "ObservabilitySettings",
    "ProductionConfigBuilder",
    "RuntimeSettings",
    "SecuritySettings",
    "ServiceSettings",
)

V = TypeVar("V")
B = TypeVar("B", bound="Settings")


class Setter(Generic[V]):
    """A method that sets the field of its own name, and returns its builder: one line each, typed all the same."""

    def __set_name__(self, owner: type[Settings], name: str) -> None:
        self._name = name

    def __get__(self, builder: B, owner: type[B]) -> Callable[[V], B]:
        def put(value: V) -> B:
            builder.values[f"{builder.section}.{self._name}".lstrip(".")] = value
            return builder

        return put


class Settings:
    """Values by path, as they were set.

    Args:
        values: Where they are collected.
    """

    section = ""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


class RuntimeSettings(Settings):
    """The methods of section [runtime]; times are seconds, or text such as `30s`."""

    section = "runtime"
    gpu_enabled = Setter[bool]()
    device = Setter[str]()
    max_kernel_instances = Setter[int]()
    worker_threads = Setter[int]()
    blocking_threads = Setter[int]()
    mailbox_capacity = Setter[int]()
    shutdown_timeout = Setter[float | str]()
    drain_grace = Setter[float | str]()
    cleanup_timeout = Setter[float | str]()
    health_check_interval = Setter[float | str]()
    inline_budget = Setter[float | str]()
    log_level = Setter[str]()
    log_format = Setter[str]()


class MemorySettings(Settings):
    """The methods of section [memory]; sizes are bytes, or text such as `16GiB`."""

    section = "memory"
    max_gpu_memory = Setter[int | str]()
    max_staging_memory = Setter[int | str]()
    pooling_enabled = Setter[bool]()
    pressure_threshold = Setter[float]()
    critical_threshold = Setter[float]()
    emergency_threshold = Setter[float]()
    hysteresis = Setter[float]()
    auto_defrag = Setter[bool]()
    scrub = Setter[bool]()


class SecuritySettings(Settings):
    """The methods of section [security]."""

    section = "security"
    rbac_enabled = Setter[bool]()
    admin_key_hash = Setter[str | None]()
    api_keys_file = Setter[str | None]()
    oidc_jwks = Setter[str | None]()
    oidc_issuer = Setter[str | None]()
    oidc_audience = Setter[str | None]()
    oidc_role_claim = Setter[str]()
    oidc_role_map = Setter[str | None]()
    oidc_leeway = Setter[float | str]()
    oidc_jwks_refresh = Setter[float | str]()
    audit_logging = Setter[bool]()
    audit_file = Setter[str]()
    audit_fsync = Setter[str]()
    audit_rotate_size = Setter[int | str]()
    tls_certificate = Setter[str | None]()
    tls_key = Setter[str | None]()
    tls_client_ca = Setter[str | None]()
    tls_client_certificates = Setter[str]()
    tls_role_map = Setter[str | None]()
    allowed_hosts = Setter[str | None]()


class ObservabilitySettings(Settings):
    """The methods of section [observability]."""

    section = "observability"
    metrics_enabled = Setter[bool]()
    tracing_enabled = Setter[bool]()
    trace_sample_ratio = Setter[float]()
    trace_file = Setter[str | None]()
    otlp_endpoint = Setter[str | None]()
    otlp_headers = Setter[str | None]()


class ServiceSettings(Settings):
    """The methods of section [service]; sizes and times likewise."""

    section = "service"
    host = Setter[str]()
    port = Setter[int]()
    max_request_size = Setter[int | str]()
    max_requests = Setter[int]()
    request_timeout = Setter[float | str]()
    dashboard_enabled = Setter[bool]()


class ProductionConfigBuilder(Settings):
    """Collects settings; `build` checks them all and says everything that is wrong in one go.

    A section's settings are set by a function of its builder: `.runtime(lambda r: r.worker_threads(8))`.
    """

    environment = Setter[str]()
    service_name = Setter[str]()
    service_version = Setter[str]()

    def __init__(self) -> None:
        super().__init__({})

    @classmethod
    def development(cls) -> Self:
        """Begin from the development preset."""
        return cls().preset(RuntimePreset.DEVELOPMENT)

    @classmethod
    def production(cls) -> Self:
        """Begin from the production preset."""
        return cls().preset(RuntimePreset.PRODUCTION)

    @classmethod
    def high_performance(cls) -> Self:
        """Begin from the high-performance preset."""
        return cls().preset(RuntimePreset.HIGH_PERFORMANCE)

    @classmethod
    def testing(cls) -> Self:
        """Begin from the testing preset."""
        return cls().preset(RuntimePreset.TESTING)

    def preset(self, preset: RuntimePreset | str) -> Self:
        """Take from a preset every value that is not set here."""
        self.values["preset"] = str(preset)
        return self

    def runtime(self, configure: Callable[[RuntimeSettings], object]) -> Self:
        """Set what `configure` sets of section [runtime]."""
        configure(RuntimeSettings(self.values))
        return self

    def memory(self, configure: Callable[[MemorySettings], object]) -> Self:
        """Set what `configure` sets of section [memory]."""
        configure(MemorySettings(self.values))
        return self

    def security(self, configure: Callable[[SecuritySettings], object]) -> Self:
        """Set what `configure` sets of section [security]."""
        configure(SecuritySettings(self.values))
        return self

    def observability(self, configure: Callable[[ObservabilitySettings], object]) -> Self:
        """Set what `configure` sets of section [observability]."""
        configure(ObservabilitySettings(self.values))
        return self

    def service(self, configure: Callable[[ServiceSettings], object]) -> Self:
        """Set what `configure` sets of section [service]."""
        configure(ServiceSettings(self.values))
        return self

    def build(self) -> ProductionConfig:
        """Make the configuration; the environment has no part in it.

        Raises:
            InvalidConfigurations: With everything that is wrong.
        """
        from rkruntime.config._load import load_config

        return load_config(environ={}, arguments=self.values).config
