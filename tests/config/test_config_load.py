"""Sources, which of them wins, and where each value came from."""

import pickle
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from strategies import values

from rkruntime.config import ProductionConfig, RuntimePreset, load_config, settings, value_at
from rkruntime.config._sources import environment_layer
from rkruntime.errors import ConfigurationWarning, InvalidConfigurations

TEXT = "# mine\n[runtime]\nworker_threads = 3\nlog_level = 'error'\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(TEXT)
    return path


def test_arguments_win_over_environment_over_file_over_preset_over_defaults(file: Path) -> None:
    path, variable = "runtime.worker_threads", "RUSTKERNEL_RUNTIME_WORKER_THREADS"
    loaded = load_config(file, environ={variable: "4"}, preset="hp", arguments={path: 5})
    assert (value_at(loaded.config, path), str(loaded.origins[path])) == (5, "argument")
    loaded = load_config(file, environ={variable: "4"}, preset="hp")
    assert (value_at(loaded.config, path), str(loaded.origins[path])) == (4, f"environment {variable}")
    loaded = load_config(file, environ={}, preset="hp")
    assert (value_at(loaded.config, path), str(loaded.origins[path])) == (3, f"file {file}:3")
    assert str(loaded.origins["runtime.mailbox_capacity"]) == "preset high_performance"
    assert str(loaded.origins["runtime.blocking_threads"]) == "default"
    assert loaded.config.runtime.mailbox_capacity == 100_000
    assert loaded.config.runtime.log_level == "error"


def test_the_preset_comes_from_where_it_wins(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("preset = 'testing'\n")
    assert load_config(file, environ={}).config == ProductionConfig.testing()
    assert load_config(file, environ={"RUSTKERNEL_ENV": "hp"}).config == ProductionConfig.high_performance()
    both = load_config(file, environ={"RUSTKERNEL_ENV": "hp"}, preset=RuntimePreset.PRODUCTION)
    assert both.config == ProductionConfig.production()


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("RUSTKERNEL_ENV", "hp", "preset", "high_performance"),
        ("RUSTKERNEL_SERVICE_NAME", "mine", "service_name", "mine"),
        ("RUSTKERNEL_GPU_ENABLED", "false", "runtime.gpu_enabled", False),
        ("RUSTKERNEL_GPU_ENABLED", "True", "runtime.gpu_enabled", True),
        ("RUSTKERNEL_MAX_INSTANCES", "7", "runtime.max_kernel_instances", 7),
        ("RUSTKERNEL_MAX_GPU_MEMORY_GB", "16", "memory.max_gpu_memory", 2**34),
        ("RUSTKERNEL_MAX_GPU_MEMORY_GB", "1.5", "memory.max_gpu_memory", 3 * 2**29),
        ("RUSTKERNEL_MAX_GPU_MEMORY_GB", "512MiB", "memory.max_gpu_memory", 2**29),
        ("RUSTKERNEL_RUNTIME_SHUTDOWN_TIMEOUT", "250ms", "runtime.shutdown_timeout", 0.25),
        ("RUSTKERNEL_RUNTIME_SHUTDOWN_TIMEOUT", "60", "runtime.shutdown_timeout", 60),
        ("RUSTKERNEL_MEMORY_PRESSURE_THRESHOLD", "0.8", "memory.pressure_threshold", 0.8),
        ("RUSTKERNEL_SECURITY_TLS_KEY", "k.pem", "security.tls_key", "k.pem"),
        ("RUSTKERNEL_SERVICE_PORT", "", "service.port", 8080),
    ],
)
def test_variables_set_their_fields(variable: str, text: str, path: str, value: object) -> None:
    assert value_at(ProductionConfig.from_env({variable: text}), path) == value


NAMED = {
    "preset": "RUSTKERNEL_ENV",
    "service_name": "RUSTKERNEL_SERVICE_NAME",
    "runtime.gpu_enabled": "RUSTKERNEL_GPU_ENABLED",
    "runtime.max_kernel_instances": "RUSTKERNEL_MAX_INSTANCES",
    "memory.max_gpu_memory": "RUSTKERNEL_MAX_GPU_MEMORY_GB",
}
"""The five variables of the RustKernels chapter; all others have their names by the rule."""


@given(st.data())
@hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_setting_has_its_variable(data: st.DataObject) -> None:
    for setting in settings():
        assert setting.variable == NAMED.get(setting.path, "RUSTKERNEL_" + setting.path.replace(".", "_").upper())
        kind = getattr(setting.kind, "kind", setting.kind)
        value = data.draw(values(kind).filter(lambda value: not isinstance(value, int) or value < 2**50), setting.path)
        written = kind.write(value)
        text = str(written).lower() if isinstance(written, bool) else str(written)
        if isinstance(written, float) and "e" in text:
            continue  # a number of seconds or a fraction too small to be written out
        given_ = environment_layer({setting.variable: text}).given[setting.path]
        assert kind.read(given_.raw) == value, (setting.path, text)
        assert str(given_.origin) == f"environment {setting.variable}"


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("RUSTKERNEL_ENV", "prod", 'preset = "prod" is not allowed; allowed: one of development, production, '),
        ("RUSTKERNEL_GPU_ENABLED", "yes", 'runtime.gpu_enabled = "yes" is not allowed; allowed: true or false'),
        ("RUSTKERNEL_GPU_ENABLED", "1", 'runtime.gpu_enabled = "1" is not allowed; allowed: true or false'),
        ("RUSTKERNEL_MAX_INSTANCES", "1.5", 'runtime.max_kernel_instances = "1.5" is not allowed; '),
        ("RUSTKERNEL_MAX_INSTANCES", "0", "runtime.max_kernel_instances = 0 is not allowed; "),
        ("RUSTKERNEL_MAX_GPU_MEMORY_GB", "-1", 'memory.max_gpu_memory = "-1" is not allowed; '),
        ("RUSTKERNEL_MEMORY_PRESSURE_THRESHOLD", "nan", 'memory.pressure_threshold = "nan" is not allowed; '),
        ("RUSTKERNEL_SECURITY_ADMIN_KEY_HASH", "hunter2", "security.admin_key_hash = (hidden) is not allowed; "),
    ],
)
def test_bad_variables_are_told_by_their_names(variable: str, text: str, message: str) -> None:
    with pytest.raises(InvalidConfigurations) as caught:
        ProductionConfig.from_env({variable: text})
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{variable}: {message}")
    assert "hunter2" not in f"{caught.value!r} {caught.value}"


def test_problems_of_all_sources_are_told_in_one_go_even_where_another_wins(file: Path) -> None:
    file.write_text("[runtime]\nworker_threads = 0\n")
    environ = {"RUSTKERNEL_RUNTIME_WORKER_THREADS": "none", "RUSTKERNEL_GPU_ENABLED": "on"}
    with pytest.raises(InvalidConfigurations) as caught:
        load_config(file, environ=environ, arguments={"runtime.worker_threads": 2.5, "runtime.workers": 1})
    assert sorted((p.where, p.path) for p in caught.value.problems) == [
        (f"{file}:2:1", "runtime.worker_threads"),
        ("RUSTKERNEL_GPU_ENABLED", "runtime.gpu_enabled"),
        ("RUSTKERNEL_RUNTIME_WORKER_THREADS", "runtime.worker_threads"),
        ("argument", "runtime.worker_threads"),
        ("argument", "runtime.workers"),
    ]
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.problems == caught.value.problems


def test_what_does_not_fit_together_is_told_where_it_was_given(file: Path) -> None:
    with pytest.raises(InvalidConfigurations) as caught:
        load_config(file, environ={"RUSTKERNEL_MEMORY_CRITICAL_THRESHOLD": "0.5"})
    (problem,) = caught.value.problems
    assert (problem.where, problem.path) == ("RUSTKERNEL_MEMORY_CRITICAL_THRESHOLD", "memory.pressure_threshold")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("RUSTKERNEL_WORKER_THREADS", "RUSTKERNEL_RUNTIME_WORKER_THREADS"),
        ("RUSTKERNEL_MAX_INSTANCE", "RUSTKERNEL_MAX_INSTANCES"),
        ("RUSTKERNEL_RUNTIME_GPU_ENABLED", "RUSTKERNEL_GPU_ENABLED"),
    ],
)
def test_unknown_variables_are_warned_about_with_the_nearest(variable: str, meant: str) -> None:
    assert load_config(environ={variable: "1", "PATH": "x"}).warnings == [
        f"{variable} is no variable of rkruntime; did you mean {meant}?"
    ]
    with pytest.warns(ConfigurationWarning, match=meant) as caught:
        ProductionConfig.from_env({variable: "1"})
    assert caught[0].filename == __file__


def test_a_variable_like_none_points_to_the_list() -> None:
    (warning,) = load_config(environ={"RUSTKERNEL_Q": "1"}).warnings
    assert warning.endswith("`rustkernel config env` lists them")


def test_the_process_environment_is_read_unless_another_is_given(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUSTKERNEL_MAX_INSTANCES", "12")
    assert ProductionConfig.from_env().runtime.max_kernel_instances == 12
    assert ProductionConfig.from_file(file).runtime.max_kernel_instances == 12
    assert ProductionConfig.from_file(file, environ={}).runtime.max_kernel_instances == 1000
    arguments = {"runtime.max_kernel_instances": 13}
    assert ProductionConfig.from_file(file, arguments=arguments).runtime.max_kernel_instances == 13


def test_nothing_given_is_the_defaults() -> None:
    loaded = load_config(environ={})
    assert loaded.config == ProductionConfig()
    assert set(map(str, loaded.origins.values())) == {"default"}
    assert set(loaded.origins) == {setting.path for setting in settings()}
