import os

import attrs
import pytest

from rkruntime.config import MemoryConfig, RuntimeConfig, RuntimePreset
from rkruntime.errors import InvalidConfiguration

MIB, GIB = 2**20, 2**30


def test_defaults_are_those_of_the_chapter() -> None:
    config = RuntimeConfig()
    assert config.gpu_enabled is True
    assert config.max_kernel_instances == 1000
    assert config.worker_threads == os.cpu_count()
    assert config.blocking_threads == 512
    assert config.shutdown_timeout == 30


@pytest.mark.parametrize(
    ("preset", "gpu", "instances", "queue", "drain_s", "health_s", "level", "form", "memory", "staging", "pooling"),
    [
        ("development", False, 100, 1_000, 5, 30, "debug", "console", 512 * MIB, 256 * MIB, False),
        ("production", True, 1_000, 10_000, 30, 10, "info", "json", 4 * GIB, GIB, True),
        ("high_performance", True, 10_000, 100_000, 10, 5, "warning", "console", 16 * GIB, 4 * GIB, True),
        ("hp", True, 10_000, 100_000, 10, 5, "warning", "console", 16 * GIB, 4 * GIB, True),
        ("testing", False, 10, 100, 0.1, 1, "debug", "console", 64 * MIB, 32 * MIB, True),
    ],
)
def test_presets(preset, gpu, instances, queue, drain_s, health_s, level, form, memory, staging, pooling) -> None:
    config = RuntimeConfig.from_preset(preset)
    assert config.gpu_enabled is gpu
    assert (config.max_kernel_instances, config.mailbox_capacity) == (instances, queue)
    assert (config.shutdown_timeout, config.health_check_interval) == (drain_s, health_s)
    assert (config.log_level, config.log_format) == (level, form)
    assert (config.memory.max_gpu_memory, config.memory.max_staging_memory) == (memory, staging)
    assert config.memory.pooling_enabled is pooling


def test_presets_have_methods() -> None:
    assert RuntimeConfig.development() == RuntimeConfig.from_preset(RuntimePreset.DEVELOPMENT)
    assert RuntimeConfig.production() == RuntimeConfig.from_preset(RuntimePreset.PRODUCTION)
    assert RuntimeConfig.high_performance() == RuntimeConfig.from_preset("hp")
    assert RuntimeConfig.testing() == RuntimeConfig.from_preset("testing")


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        RuntimeConfig.from_preset("prod")
    assert (caught.value.path, caught.value.value) == ("preset", "prod")
    assert "hp" in caught.value.allowed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("gpu_enabled", 1),
        ("gpu_enabled", "yes"),
        ("device", "gpu"),
        ("max_kernel_instances", 0),
        ("max_kernel_instances", 1.5),
        ("max_kernel_instances", True),
        ("worker_threads", -1),
        ("shutdown_timeout", 0),
        ("shutdown_timeout", float("nan")),
        ("shutdown_timeout", float("inf")),
        ("shutdown_timeout", "30s"),
        ("drain_grace", -0.1),
        ("health_check_interval", True),
        ("log_level", "loud"),
    ],
)
def test_bad_runtime_values_are_named(field: str, value: object) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        RuntimeConfig(**{field: value})
    assert caught.value.path == f"runtime.{field}"
    assert caught.value.value is value or caught.value.value == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_gpu_memory", 0),
        ("max_gpu_memory", "8GiB"),
        ("pressure_threshold", 85),
        ("pressure_threshold", 0.9),
        ("critical_threshold", 0.99),
        ("pooling_enabled", None),
        ("hysteresis", 0.8),
    ],
)
def test_bad_memory_values_are_named(field: str, value: object) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        MemoryConfig(**{field: value})
    assert caught.value.path.startswith("memory.")


def test_cuda_needs_gpu_enabled() -> None:
    with pytest.raises(InvalidConfiguration):
        RuntimeConfig(device="cuda", gpu_enabled=False)


def test_configurations_are_frozen_hashable_and_evolve() -> None:
    config = RuntimeConfig.production()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        config.worker_threads = 3
    assert hash(config) == hash(RuntimeConfig.production())
    assert attrs.evolve(config, worker_threads=3).worker_threads == 3
    with pytest.raises(InvalidConfiguration):
        attrs.evolve(config, worker_threads=0)
