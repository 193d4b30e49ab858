import attrs
import pytest

from rkruntime.config import (
    MemoryConfig,
    ObservabilityConfig,
    ProductionConfig,
    RuntimeConfig,
    RuntimePreset,
    SecurityConfig,
    ServiceConfig,
    load_config,
    settings,
    value_at,
)
from rkruntime.config._settings import SECTIONS
from rkruntime.errors import InvalidConfiguration
from rkruntime.units import ByteSize, Duration

CLASSES = (ProductionConfig, RuntimeConfig, MemoryConfig, SecurityConfig, ObservabilityConfig, ServiceConfig)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_configuration_is_frozen_hashable_and_evolves(cls: type) -> None:
    config = cls()
    assert hash(config) == hash(cls())
    field = next(f for f in attrs.fields(cls) if isinstance(getattr(config, f.name), bool | str))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(config, field.name, getattr(config, field.name))
    value = getattr(config, field.name)
    other = not value if isinstance(value, bool) else "cpu"
    assert getattr(attrs.evolve(config, **{field.name: other}), field.name) == other


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_class_documents_its_fields(cls: type) -> None:
    assert all(f"    {field.name}: " in (cls.__doc__ or "") for field in attrs.fields(cls))


def test_units_are_in_the_type() -> None:
    config = RuntimeConfig(shutdown_timeout=60, memory=MemoryConfig(max_gpu_memory=4 * 2**30))
    assert isinstance(config.shutdown_timeout, Duration)
    assert isinstance(config.memory.max_gpu_memory, ByteSize)
    assert f"{config.shutdown_timeout} {config.memory.max_gpu_memory}" == "1m 4GiB"


@pytest.mark.parametrize("preset", [*RuntimePreset, "hp"])
def test_presets_of_the_whole(preset: str) -> None:
    config = ProductionConfig.from_preset(preset)
    assert config.preset == RuntimePreset(preset)
    assert config.runtime == RuntimeConfig.from_preset(preset)
    assert config.memory is config.runtime.memory
    assert getattr(ProductionConfig, RuntimePreset(preset).value)() == config


def test_sections_stand_in_the_order_of_a_file() -> None:
    assert SECTIONS == ("", "runtime", "memory", "security", "observability", "service")
    assert list(dict.fromkeys(setting.section for setting in settings())) == list(SECTIONS)


def test_every_setting_has_a_name_a_variable_and_a_help_of_its_own() -> None:
    rows = settings()
    for told in ([s.path for s in rows], [s.variable for s in rows], [(s.section, s.about.help) for s in rows]):
        assert len(set(told)) == len(rows)
    for setting in rows:
        assert setting.kind.accepts(setting.default), setting.path
        assert setting.about.help.endswith(".")
        assert setting.kind.allowed
        assert setting.kind.schema
        assert setting.variable.startswith("RUSTKERNEL_")


def test_variables_of_the_chapter_and_of_the_rule() -> None:
    variables = {setting.path: setting.variable for setting in settings()}
    assert variables["preset"] == "RUSTKERNEL_ENV"
    assert variables["service_name"] == "RUSTKERNEL_SERVICE_NAME"
    assert variables["runtime.gpu_enabled"] == "RUSTKERNEL_GPU_ENABLED"
    assert variables["runtime.max_kernel_instances"] == "RUSTKERNEL_MAX_INSTANCES"
    assert variables["memory.max_gpu_memory"] == "RUSTKERNEL_MAX_GPU_MEMORY_GB"
    assert variables["runtime.worker_threads"] == "RUSTKERNEL_RUNTIME_WORKER_THREADS"


@pytest.mark.parametrize(
    ("cls", "field", "value", "path"),
    [
        (ProductionConfig, "environment", "", "environment"),
        (ProductionConfig, "service_name", "my service", "service_name"),
        (ProductionConfig, "preset", "prod", "preset"),
        (SecurityConfig, "rbac_enabled", 1, "security.rbac_enabled"),
        (SecurityConfig, "audit_file", None, "security.audit_file"),
        (ObservabilityConfig, "otlp_endpoint", "localhost", "observability.otlp_endpoint"),
        (ObservabilityConfig, "trace_sample_ratio", 1.1, "observability.trace_sample_ratio"),
        (ServiceConfig, "port", 65536, "service.port"),
        (ServiceConfig, "max_request_size", 1.5, "service.max_request_size"),
        (ServiceConfig, "request_timeout", 0, "service.request_timeout"),
    ],
)
def test_bad_values_are_named(cls: type, field: str, value: object, path: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        cls(**{field: value})
    assert (caught.value.path, caught.value.value) == (path, value)


def test_a_section_is_of_its_class() -> None:
    with pytest.raises(TypeError):
        ProductionConfig(runtime={"worker_threads": 3})


def test_a_refused_secret_is_not_told() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        SecurityConfig(admin_key_hash="hunter2")
    assert caught.value.path == "security.admin_key_hash"
    assert "hunter2" not in f"{caught.value} {caught.value.args}"


def test_secrets_are_not_in_the_repr() -> None:
    secrets = [setting for setting in settings() if setting.about.secret]
    assert secrets
    for setting in secrets:
        value = "abcd2345:scrypt:14:8:1:" + "A" * 22 + ":" + "A" * 43
        config = load_config(environ={}, arguments={setting.path: value}).config
        assert value_at(config, setting.path) == value
        assert value not in repr(config)
        assert f"{setting.name}=None" in repr(ProductionConfig())
