import runpy
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from rkruntime.config import ProductionConfig, ProductionConfigBuilder, RuntimeConfig, RuntimePreset, settings
from rkruntime.config._about import about_of, is_section
from rkruntime.config._builder import Settings as SectionBuilder
from rkruntime.errors import InvalidConfiguration, InvalidConfigurations
from rkruntime.runtime import RuntimeBuilder

ROOT = Path(__file__).parents[2]


def test_the_builder_of_the_chapter() -> None:
    config = (
        ProductionConfigBuilder.production()
        .service_name("my-kernel-service")
        .environment("production")
        .runtime(lambda r: r.max_kernel_instances(500).shutdown_timeout(60))
        .memory(lambda m: m.max_gpu_memory(16 * 2**30))
        .security(lambda s: s.rbac_enabled(True))
        .observability(lambda o: o.metrics_enabled(True))
        .service(lambda s: s.request_timeout("90s"))
        .build()
    )
    preset = ProductionConfig.production()
    memory = attrs.evolve(preset.memory, max_gpu_memory=16 * 2**30)
    assert config == attrs.evolve(
        preset,
        service_name="my-kernel-service",
        runtime=attrs.evolve(preset.runtime, max_kernel_instances=500, shutdown_timeout=60, memory=memory),
        service=attrs.evolve(preset.service, request_timeout=90),
    )


@pytest.mark.parametrize("preset", [*RuntimePreset])
def test_every_preset_can_be_begun_from(preset: RuntimePreset) -> None:
    assert getattr(ProductionConfigBuilder, preset.value)().build() == ProductionConfig.from_preset(preset)
    assert ProductionConfigBuilder().preset(preset).build() == ProductionConfig.from_preset(preset)
    assert ProductionConfigBuilder().build() == ProductionConfig()


def test_build_says_everything_that_is_wrong() -> None:
    builder = ProductionConfigBuilder().preset("prod").runtime(lambda r: r.worker_threads(0).log_level("loud"))
    with pytest.raises(InvalidConfigurations) as caught:
        builder.build()
    assert {p.path for p in caught.value.problems} == {"preset", "runtime.worker_threads", "runtime.log_level"}


def test_every_setting_has_a_method() -> None:
    builders = {cls.section: cls for cls in SectionBuilder.__subclasses__()}
    for setting in settings():
        if setting.path == "preset":
            continue
        builder = builders[setting.section]({}) if setting.section else ProductionConfigBuilder()
        method = getattr(builder, setting.name)
        assert method(setting.default) is builder
        assert builder.values == {setting.path: setting.default}
        assert method.__doc__ == setting.about.help


def test_what_type_checkers_are_told_is_written_from_the_fields() -> None:
    write = runpy.run_path(str(ROOT / "docs" / "write_configuration.py"))
    assert write["METHODS"].read_text() == write["methods"](), "run python docs/write_configuration.py"


def test_every_field_of_a_runtime_has_a_method() -> None:
    for field in attrs.fields(RuntimeConfig):
        name = field.name if is_section(field) else about_of(field).method or field.name
        value = getattr(RuntimeConfig.testing(), field.name)
        runtime = getattr(RuntimeBuilder(), f"with_{name}")(value).build()
        assert getattr(runtime.config, field.name) == value


def test_a_runtime_builder_checks_when_it_builds() -> None:
    builder = RuntimeBuilder().preset("development").with_device("cuda")
    with pytest.raises(InvalidConfiguration):
        builder.build()
    assert builder.with_gpu(True).build().config.device == "cuda"


def test_the_methods_are_typed() -> None:
    sample = Path(__file__).with_name("typed_builder.py")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file=", str(sample)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False).stdout
    errors = [line for line in said.splitlines() if sample.name in line and "error:" in line]
    first = sample.read_text().splitlines().index("def wrong() -> None:") + 2
    assert {int(line.split(":")[1]) for line in errors} == {first, first + 1, first + 2, first + 3}, said
