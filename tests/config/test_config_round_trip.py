"""What is written loads back to the same, and says what it holds."""

import errno
import os
import stat
from pathlib import Path

import pytest
import tomli
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from jsonschema import Draft4Validator
from strategies import configurations

from rkruntime.config import ProductionConfig, RuntimePreset, json_schema, load_config, settings, to_toml, write_file
from rkruntime.config._load import combine
from rkruntime.config._sources import file_layer
from rkruntime.errors import UnreadableInput

SCHEMA = Draft4Validator(json_schema())
CHAPTER = """\
# production.toml
environment = "production"
service_name = "rustkernels"
service_version = "0.2.0"

[runtime]
gpu_enabled = true
max_kernel_instances = 500
worker_threads = 16
shutdown_timeout_secs = 60

[memory]
max_gpu_memory = 17179869184  # 16GB
max_staging_memory = 4294967296  # 4GB
pooling_enabled = true
pressure_threshold = 0.8

[security]
rbac_enabled = true
audit_logging = true

[observability]
metrics_enabled = true
tracing_enabled = true
"""


def load_text(text: str) -> ProductionConfig:
    return combine([file_layer(text.encode(), "c")]).config


@given(configurations())
@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_any_configuration_is_read_back_the_same(config: ProductionConfig) -> None:
    text = to_toml(config)
    assert load_text(text) == config
    assert load_text(to_toml(config, portable=True)) == config
    assert list(SCHEMA.iter_errors(tomli.loads(text))) == []


@pytest.mark.parametrize("preset", [*RuntimePreset])
def test_a_presets_file_is_read_back_as_the_preset(preset: RuntimePreset, tmp_path: Path) -> None:
    config = ProductionConfig.from_preset(preset)
    write_file(tmp_path / "c.toml", to_toml(config, portable=True))
    assert ProductionConfig.from_file(tmp_path / "c.toml", environ={}) == config
    assert "\nworker_threads" not in (tmp_path / "c.toml").read_text()


def test_a_file_tells_what_every_setting_is() -> None:
    text = to_toml(ProductionConfig())
    for setting in settings():
        assert f"# {setting.about.help}\n# {setting.kind.allowed}; default: " in text
        assert setting.variable in text


def test_a_written_file_is_never_replaced_unasked(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("mine")
    with pytest.raises(UnreadableInput, match="there already"):
        write_file(file, "theirs")
    assert file.read_text() == "mine"
    write_file(file, "theirs", force=True)
    assert file.read_text() == "theirs"
    with pytest.raises(UnreadableInput, match="cannot be written"):
        write_file(tmp_path / "no" / "c.toml", "x")
    assert os.listdir(tmp_path) == ["c.toml"]


def test_files_are_written_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: object, target: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    write_file(tmp_path / "c.toml", "mine")
    with pytest.raises(UnreadableInput, match="there already"):
        write_file(tmp_path / "c.toml", "theirs")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("c.toml", "mine")]


def test_a_written_file_has_the_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_file(tmp_path / "c.toml", "x")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_the_schema_is_one_and_takes_the_chapters_file() -> None:
    Draft4Validator.check_schema(json_schema())
    assert list(SCHEMA.iter_errors(tomli.loads(CHAPTER))) == []
    assert load_config(environ={}, preset="production").config != load_text(CHAPTER)


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        "[runtime]\nworker_threads = 0",
        "[runtime]\nworker_threads = 1.5",
        "[runtime]\ngpu_enabled = 'yes'",
        "[runtime]\nshutdown_timeout = '-1s'",
        "[runtime]\nshutdown_timeout_secs = '60s'",
        "[runtime]\nlog_level = 'warn'",
        "[memory]\npressure_threshold = 85",
        "[memory]\nmax_gpu_memory = '16 gigs'",
        "[security]\nadmin_key_hash = 'x'",
        "memory = 3",
    ],
)
def test_the_schema_refuses_what_loading_refuses(text: str) -> None:
    assert list(SCHEMA.iter_errors(tomli.loads(text)))
