from typing import Any

import pytest

from rkruntime.config import Machine, ProductionConfig, RuntimePreset, check_config, load_config
from rkruntime.errors import InvalidConfigurations

MACHINE = Machine(cores=4, memory_bytes=64 * 2**30)
GOOD: dict[str, Any] = {"runtime.worker_threads": 4}
HASH = "abcd2345:scrypt:14:8:1:" + "A" * 22 + ":" + "A" * 43
ROLES: dict[str, Any] = {"security__rbac_enabled": True}
TLS: dict[str, Any] = {"security__tls_key": "k", "security__tls_certificate": "c"}
TOKENS: dict[str, Any] = ROLES | {
    "security__oidc_jwks": "https://keys.example.org/",
    "security__oidc_issuer": "https://keys.example.org",
    "security__oidc_audience": "gpu",
    "security__oidc_role_map": "gpu-users=operator; gpu-admins=admin",
}


def found(**given: Any) -> tuple[list[str], list[str]]:
    arguments = GOOD | {path.replace("__", "."): value for path, value in given.items()}
    checked = check_config(load_config(environ={}, arguments=arguments).config, MACHINE)
    return [p.path for p in checked.errors], [p.path for p in checked.warnings]


def test_the_defaults_are_fine() -> None:
    assert found() == ([], [])


@pytest.mark.parametrize(
    ("given", "paths"),
    [
        ({"memory__max_staging_memory": "65GiB"}, ["memory.max_staging_memory"]),
        ({"security__tls_key": "k"}, ["security.tls_key"]),
        ({"security__tls_certificate": "c"}, ["security.tls_certificate"]),
        ({"security__tls_client_ca": "c"}, ["security.tls_client_ca"]),
        (ROLES | {"security__tls_role_map": "CN=a=admin"}, ["security.tls_role_map"]),
        (TOKENS | {"security__oidc_issuer": None}, ["security.oidc_jwks"]),
        (TOKENS | {"security__oidc_audience": None}, ["security.oidc_jwks"]),
        (TOKENS | {"security__oidc_jwks": "http://keys.example.org/"}, ["security.oidc_jwks"]),
        (TOKENS | {"security__oidc_jwks": "ftp://keys.example.org/"}, ["security.oidc_jwks"]),
        (
            {"security__oidc_issuer": "i", "security__oidc_audience": "a"},
            ["security.oidc_issuer", "security.oidc_audience"],
        ),
    ],
)
def test_what_cannot_work_is_an_error(given: dict[str, Any], paths: list[str]) -> None:
    assert found(**given) == (paths, [])


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"runtime__device": "cpu", "memory__max_gpu_memory": "65GiB"}, "memory.max_gpu_memory"),
        ({"runtime__worker_threads": 17}, "runtime.worker_threads"),
        ({"environment": "production"}, "security.rbac_enabled"),
        ({"service__host": "0.0.0.0"}, "service.host"),
        ({"service__host": "gpu.example.org"}, "service.host"),
        ({"security__rbac_enabled": True}, "security.rbac_enabled"),
        ({"security__admin_key_hash": HASH}, "security.admin_key_hash"),
        (ROLES | {"security__api_keys_file": "k", "service__host": "0.0.0.0"}, "service.host"),
        (TOKENS | {"security__oidc_role_map": None}, "security.oidc_jwks"),
        ({"observability__tracing_enabled": True}, "observability.tracing_enabled"),
        ({"observability__trace_file": "t.json"}, "observability.trace_file"),
        ({"observability__otlp_headers": "a=b"}, "observability.otlp_headers"),
        ({"runtime__socket_group": "lab"}, "runtime.socket_group"),
    ],
)
def test_what_is_hardly_wanted_is_a_warning(given: dict[str, Any], path: str) -> None:
    assert found(**given) == ([], [path])


@pytest.mark.parametrize(
    "given",
    [
        {"runtime__worker_threads": 16},
        {"memory__max_gpu_memory": "65GiB"},
        {"environment": "production", "security__rbac_enabled": True, "security__api_keys_file": "k"},
        {"service__host": "::1"},
        TOKENS,
        TOKENS | {"security__oidc_jwks": "http://127.0.0.1:8081/keys"},
        TOKENS | TLS | {"service__host": "0.0.0.0"},
        ROLES | TLS | {"security__tls_client_ca": "a", "security__tls_role_map": "CN=a=admin"},
        {"service__host": "localhost"},
        {"security__tls_key": "k", "security__tls_certificate": "c"},
        {"observability__tracing_enabled": True, "observability__trace_file": "t.json"},
    ],
)
def test_what_makes_sense_is_let_be(given: dict[str, Any]) -> None:
    assert found(**given) == ([], [])


@pytest.mark.parametrize("preset", [*RuntimePreset])
def test_no_preset_has_errors(preset: RuntimePreset) -> None:
    ProductionConfig.from_preset(preset).validate(MACHINE)


def test_validate_raises_errors_and_returns_warnings() -> None:
    given = {"memory.max_staging_memory": "65GiB", "security.tls_key": "k", "environment": "production"}
    config = ProductionConfig.from_env({}, arguments=given)
    with pytest.raises(InvalidConfigurations) as caught:
        config.validate(MACHINE)
    assert [str(p) for p in caught.value.problems] == [
        'configuration: memory.max_staging_memory = "65GiB": the machine has 64GiB in all; lower it',
        'configuration: security.tls_key = "k": it is of no use without security.tls_certificate; '
        "give security.tls_certificate too",
    ]
    (warning,) = ProductionConfig(environment="production").validate()
    assert (warning.path, warning.value) == ("security.rbac_enabled", False)


def test_secrets_are_not_told() -> None:
    loaded = load_config(environ={"RUSTKERNEL_SECURITY_ADMIN_KEY_HASH": HASH})
    (warning,) = check_config(loaded.config, MACHINE, loaded.origins).warnings
    assert warning.where == "RUSTKERNEL_SECURITY_ADMIN_KEY_HASH"
    assert "AAA" not in f"{warning!r}"


def test_this_machine_is_measured() -> None:
    here = Machine.here()
    assert here.cores >= 1
    assert here.memory_bytes > 2**28
