"""Written by docs/write_configuration.py from the fields: the methods of the builders."""

from typing import Self

class TopMethods:
    def environment(self, value: str) -> Self:
        """Where this runs, for logs and checks."""

    def service_name(self, value: str) -> Self:
        """The name of the service, for logs, metrics and spans."""

    def service_version(self, value: str) -> Self:
        """The version of the service, likewise."""

class RuntimeMethods:
    def gpu_enabled(self, value: bool) -> Self:
        """Use a GPU if there is one, and say so if there is not."""

    def device(self, value: str) -> Self:
        """The device to open: `auto`, `cpu`, or `cuda` to demand a GPU."""

    def max_kernel_instances(self, value: int) -> Self:
        """Kernel actors that may live at once."""

    def worker_threads(self, value: int) -> Self:
        """Threads of the CPU device."""

    def blocking_threads(self, value: int) -> Self:
        """Threads for blocking calls, which are compilations."""

    def mailbox_capacity(self, value: int) -> Self:
        """Messages that wait at one actor before its mailbox is full."""

    def shutdown_timeout(self, value: float | str) -> Self:
        """Time that work in flight gets to finish during a drain."""

    def drain_grace(self, value: float | str) -> Self:
        """Time between Draining becoming visible and admission closing, for load balancers."""

    def cleanup_timeout(self, value: float | str) -> Self:
        """Time that cancelled handlers get to clean up."""

    def health_check_interval(self, value: float | str) -> Self:
        """Time between health checks."""

    def inline_budget(self, value: float | str) -> Self:
        """Measured kernel time under which a CPU kernel runs in place, with no worker."""

    def log_level(self, value: str) -> Self:
        """The least severe events that the command logs; programs give it to `configure_logging`."""

    def log_format(self, value: str) -> Self:
        """How it logs, likewise: `console` for people, `json` for programs."""

    def socket_role_map(self, value: str | None) -> Self:
        """Users of this machine and their roles at the control socket, besides its own user and root."""

    def socket_group(self, value: str | None) -> Self:
        """The group that alone may connect to it; every user may, where only socket_role_map is set."""

class MemoryMethods:
    def max_gpu_memory(self, value: int | str) -> Self:
        """Bytes that may be reserved from the device, pools included."""

    def max_staging_memory(self, value: int | str) -> Self:
        """Bytes of host staging memory (pinned on CUDA)."""

    def pooling_enabled(self, value: bool) -> Self:
        """Keep freed blocks in power-of-two pools; false goes straight to the device."""

    def pressure_threshold(self, value: float) -> Self:
        """Lower edge of the level Warning, as a fraction of max_gpu_memory."""

    def critical_threshold(self, value: float) -> Self:
        """Lower edge of the level Critical: new kernel actors are refused."""

    def emergency_threshold(self, value: float) -> Self:
        """Lower edge of the level Emergency: idle blocks are released."""

    def hysteresis(self, value: float) -> Self:
        """A level is left only this fraction below the edge that entered it."""

    def auto_defrag(self, value: bool) -> Self:
        """Release idle blocks whose class has been cold, and merge slabs; live data never moves."""

    def scrub(self, value: bool) -> Self:
        """Zero blocks of memory between owners."""

class SecurityMethods:
    def rbac_enabled(self, value: bool) -> Self:
        """Demand a role (viewer, operator or admin) for every request; who has none is refused."""

    def admin_key_hash(self, value: str | None) -> Self:
        """The id and scrypt hash of one API key that has the role admin."""

    def api_keys_file(self, value: str | None) -> Self:
        """A file of API keys, hashed, with their roles; read again when it changes."""

    def oidc_jwks(self, value: str | None) -> Self:
        """A file or https URL with the keys (JWKS) that bearer tokens are checked against."""

    def oidc_issuer(self, value: str | None) -> Self:
        """The issuer that bearer tokens must name."""

    def oidc_audience(self, value: str | None) -> Self:
        """The audience that bearer tokens must name."""

    def oidc_role_claim(self, value: str) -> Self:
        """The claim that holds a token's roles or groups; dots lead into objects: realm_access.roles."""

    def oidc_role_map(self, value: str | None) -> Self:
        """What the values of oidc_role_claim are here; others are no role."""

    def oidc_leeway(self, value: float | str) -> Self:
        """How far the clock of the issuer may be off."""

    def oidc_jwks_refresh(self, value: float | str) -> Self:
        """How long the keys of oidc_jwks are used before they are read again."""

    def audit_logging(self, value: bool) -> Self:
        """Write every decision and every administrative act to audit_file."""

    def audit_file(self, value: str) -> Self:
        """The audit log: JSON lines, append-only, each chained to the one before by its hash."""

    def audit_key_file(self, value: str | None) -> Self:
        """A secret key of the audit log's chain, 32 bytes or more: without it nobody can write it anew."""

    def audit_fsync(self, value: str) -> Self:
        """When the audit log is forced to the disk: at every record, every second, or by the system."""

    def audit_rotate_size(self, value: int | str) -> Self:
        """Size at which the audit log goes on in a new file; the old one gets its last record's number."""

    def tls_certificate(self, value: str | None) -> Self:
        """The service's certificate chain, a PEM file; read again when it changes."""

    def tls_key(self, value: str | None) -> Self:
        """The private key of tls_certificate, a PEM file."""

    def tls_client_ca(self, value: str | None) -> Self:
        """The authorities whose client certificates are taken (mutual TLS), a PEM file."""

    def tls_client_certificates(self, value: str) -> Self:
        """Whether a client may come without a certificate, where tls_client_ca is given."""

    def tls_role_map(self, value: str | None) -> Self:
        """What clients are by a name of their certificate: "CN=ann,O=Lab=admin; DNS:cron.lab=operator"."""

    def allowed_hosts(self, value: str | None) -> Self:
        """Names that requests may call the service by, besides addresses; local ones at a local address."""

class ObservabilityMethods:
    def metrics_enabled(self, value: bool) -> Self:
        """Serve Prometheus metrics at /metrics."""

    def tracing_enabled(self, value: bool) -> Self:
        """Record a span for every stage of a launch."""

    def trace_sample_ratio(self, value: float) -> Self:
        """The fraction of requests, and of messages outside of any, that begin a trace."""

    def trace_rate_limit(self, value: int) -> Self:
        """Traces that requests begin in a second at most, and as many messages outside of any."""

    def trace_file(self, value: str | None) -> Self:
        """Write one trace of the run for Perfetto to this file."""

    def otlp_endpoint(self, value: str | None) -> Self:
        """Send spans to this OpenTelemetry collector."""

    def otlp_headers(self, value: str | None) -> Self:
        """Headers for that collector, as in `authorization=Bearer x`."""

class ServiceMethods:
    def host(self, value: str) -> Self:
        """The address to listen at; 0.0.0.0 is every one."""

    def port(self, value: int) -> Self:
        """The port to listen at; 0 takes a free one."""

    def max_request_size(self, value: int | str) -> Self:
        """Bytes of a request's body; a larger one is refused before it is read."""

    def max_response_size(self, value: int | str) -> Self:
        """Bytes of the outputs that one launch may ask for."""

    def max_requests(self, value: int) -> Self:
        """Requests that may be in progress at once."""

    def max_waiting_requests(self, value: int) -> Self:
        """Requests that may wait for their turn; one more is refused with 503."""

    def max_request_memory(self, value: int | str) -> Self:
        """Bytes of all bodies and outputs held at once; what does not fit is refused with 503."""

    def max_connections(self, value: int) -> Self:
        """Connections that may be open at once."""

    def rate_limit(self, value: int | None) -> Self:
        """Requests a second that one caller may make; more are refused with 429. No limit unless set."""

    def rate_burst(self, value: int) -> Self:
        """Requests that a caller who was quiet may make at once, where rate_limit is set."""

    def request_timeout(self, value: float | str) -> Self:
        """Time that a request may take before it is cancelled; a caller may ask for less."""

    def header_timeout(self, value: float | str) -> Self:
        """Time that the header of a request may take to arrive, from its first byte."""

    def idle_timeout(self, value: float | str) -> Self:
        """Time that a connection may stay open with nothing asked."""

    def idempotency_window(self, value: float | str) -> Self:
        """Time for which the answer to a launch with an Idempotency-Key is kept."""

    def idempotency_memory(self, value: int | str) -> Self:
        """Bytes of the answers kept so; the oldest go first."""

    def check_bounds(self, value: bool) -> Self:
        """Check every index of served kernels on the CPU, which may take several times as long."""

    def dashboard_enabled(self, value: bool) -> Self:
        """Serve the dashboard at /."""

class RuntimeBuilderMethods:
    def with_gpu(self, value: bool) -> Self:
        """Use a GPU if there is one, and say so if there is not."""

    def with_max_instances(self, value: int) -> Self:
        """Kernel actors that may live at once."""

    def with_worker_threads(self, value: int) -> Self:
        """Threads of the CPU device."""

    def with_blocking_threads(self, value: int) -> Self:
        """Threads for blocking calls, which are compilations."""

    def with_mailbox_capacity(self, value: int) -> Self:
        """Messages that wait at one actor before its mailbox is full."""

    def with_shutdown_timeout(self, value: float) -> Self:
        """Time that work in flight gets to finish during a drain."""

    def with_drain_grace(self, value: float) -> Self:
        """Time between Draining becoming visible and admission closing, for load balancers."""

    def with_cleanup_timeout(self, value: float) -> Self:
        """Time that cancelled handlers get to clean up."""

    def with_health_check_interval(self, value: float) -> Self:
        """Time between health checks."""

    def with_inline_budget(self, value: float) -> Self:
        """Measured kernel time under which a CPU kernel runs in place, with no worker."""

    def with_log_level(self, value: str) -> Self:
        """The least severe events that the command logs; programs give it to `configure_logging`."""

    def with_log_format(self, value: str) -> Self:
        """How it logs, likewise: `console` for people, `json` for programs."""

    def with_socket_role_map(self, value: str | None) -> Self:
        """Users of this machine and their roles at the control socket, besides its own user and root."""

    def with_socket_group(self, value: str | None) -> Self:
        """The group that alone may connect to it; every user may, where only socket_role_map is set."""
