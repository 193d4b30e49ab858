"""`rustkernel config` and `rustkernel runtime show`, as users run them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import rustkernel
from jsonschema import Draft4Validator

from rkruntime.config import Checked, Machine, ProductionConfig, check_config, settings

SECRET = "abcd2345:scrypt:14:8:1:" + "A" * 22 + ":" + "A" * 43


def checked(config: ProductionConfig) -> Checked:
    return check_config(config, Machine.here())


def test_a_preset_is_generated_validated_and_shown(tmp_path: Path) -> None:
    done = rustkernel(tmp_path, "config", "generate", "--preset", "production", "--output", "config.toml")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "wrote config.toml\n")
    assert ProductionConfig.from_file(tmp_path / "config.toml", environ={}) == ProductionConfig.production()
    done = rustkernel(tmp_path, "config", "validate", "config.toml")
    assert (done.returncode, done.stdout) == (0, "config.toml is valid\n")
    assert done.stderr.startswith("warning: config.toml:")
    done = rustkernel(tmp_path, "runtime", "show", "--config", "config.toml")
    lines = (tmp_path / "config.toml").read_text().splitlines()
    line = lines.index("max_kernel_instances = 1000") + 1
    assert f"runtime.max_kernel_instances = 1000  # file config.toml:{line}" in done.stdout.splitlines()


def test_generate_replaces_nothing_unasked(tmp_path: Path) -> None:
    words = ("config", "generate", "--output", "config.toml")
    (tmp_path / "config.toml").write_text("mine")
    done = rustkernel(tmp_path, *words)
    assert (done.returncode, (tmp_path / "config.toml").read_text()) == (1, "mine")
    assert "there already" in done.stderr
    assert rustkernel(tmp_path, *words, "--force").returncode == 0
    assert (tmp_path / "config.toml").read_text() == rustkernel(tmp_path, "config", "generate").stdout


def test_an_invalid_file_is_exit_status_4_with_every_problem(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[runtime]\nworker_threads = 0\nlog_levle = 'info'\n[security]\ntls_key = 'k'\n")
    done = rustkernel(tmp_path, "config", "validate", "c.toml")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == (
        "error: 3 problems in the configuration\n"
        "  c.toml:2:1: runtime.worker_threads = 0 is not allowed; allowed: a whole number, at least 1\n"
        "  c.toml:3:1: runtime.log_levle is no setting; did you mean runtime.log_level?\n"
        '  c.toml:5:1: security.tls_key = "k": it is of no use without security.tls_certificate; '
        "give security.tls_certificate too\n"
    )
    done = rustkernel(tmp_path, "config", "validate", "c.toml", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["valid"], told["warnings"]) == (4, False, [])
    assert told["errors"][0] == {
        "where": "c.toml:2:1",
        "path": "runtime.worker_threads",
        "what": "= 0 is not allowed",
        "mend": "allowed: a whole number, at least 1",
        "value": 0,
    }
    (tmp_path / "c.toml").write_text("[security]\ntls_key = 'k'\n")
    done = rustkernel(tmp_path, "config", "validate", "c.toml")
    assert (done.returncode, "security.tls_certificate" in done.stderr) == (4, True)


def test_validate_looks_at_the_file_alone(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("")
    done = rustkernel(tmp_path, "config", "validate", "c.toml", "--json", RUSTKERNEL_GPU_ENABLED="maybe")
    assert (done.returncode, json.loads(done.stdout)["valid"]) == (0, True)
    assert rustkernel(tmp_path, "config", "validate", "no.toml").returncode == 1


@pytest.mark.parametrize("words", [("config", "show"), ("runtime", "show")], ids=" ".join)
def test_show_tells_the_origin_of_each_value(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "c.toml").write_text("[runtime]\nworker_threads = 16\n")
    options = ("--config", "c.toml", "--preset", "hp", "--set", "service.port=0", "--set", "runtime.drain_grace=2s")
    environ = {"RUSTKERNEL_MAX_INSTANCES": "7", "RUSTKERNEL_MAX_INSTANCE": "8"}
    done = rustkernel(tmp_path, *words, *options, **environ)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(settings())
    for line in (
        "runtime.worker_threads = 16  # file c.toml:2",
        "runtime.max_kernel_instances = 7  # environment RUSTKERNEL_MAX_INSTANCES",
        'runtime.drain_grace = "2s"  # argument',
        'memory.max_gpu_memory = "16GiB"  # preset high_performance',
        "runtime.blocking_threads = 512  # default",
        "service.port = 0  # argument",
        "security.tls_key = none  # default",
    ):
        assert line in lines
    assert "did you mean RUSTKERNEL_MAX_INSTANCES?" in done.stderr
    told = json.loads(rustkernel(tmp_path, *words, *options, "--json", **environ).stdout)["settings"]
    assert told["runtime.worker_threads"] == {"value": 16, "source": "file", "name": "c.toml", "line": 2}
    assert told["memory.max_gpu_memory"]["value"] == 2**34


def test_secrets_are_hidden_everywhere(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("observability.otlp_headers = 'authorization=Bearer token'\n")
    for words in (("config", "show", "--config", "c.toml"), ("config", "env"), ("config", "validate", "c.toml")):
        for more in ((), ("--json",)):
            done = rustkernel(tmp_path, *words, *more, RUSTKERNEL_SECURITY_ADMIN_KEY_HASH=SECRET)
            assert done.returncode == 0, done.stderr
            assert SECRET not in done.stdout + done.stderr
            assert "Bearer token" not in done.stdout + done.stderr
    done = rustkernel(tmp_path, "config", "env", RUSTKERNEL_SECURITY_ADMIN_KEY_HASH=SECRET)
    assert "(hidden)" in done.stdout


def test_passwords_in_addresses_are_hidden_everywhere(tmp_path: Path) -> None:
    urls = {"oidc_jwks": "https://ann:hunter2@example.org/keys", "otlp_endpoint": "http://ann:hunter2@localhost:4318"}
    environ = {
        "RUSTKERNEL_SECURITY_OIDC_JWKS": urls["oidc_jwks"],
        "RUSTKERNEL_OBSERVABILITY_OTLP_ENDPOINT": urls["otlp_endpoint"],
    }
    (tmp_path / "c.toml").write_text(f"[security]\noidc_jwks = '{urls['oidc_jwks']}'\nrbac_enabled = 3\n")
    for words in (("config", "show"), ("config", "env"), ("config", "validate", "c.toml"), ("doctor",)):
        for more in ((), ("--json",)):
            done = rustkernel(tmp_path, *words, *more, **environ)
            assert "hunter2" not in done.stdout + done.stderr
            assert "example.org" in done.stdout + done.stderr or words[0] == "doctor" or "validate" in words
    config = ProductionConfig.from_env(environ)
    assert "hunter2" not in repr(config)
    assert "(hidden)@example.org" in repr(config)
    assert config.security.oidc_jwks == urls["oidc_jwks"]
    problems = (*checked(config).errors, *checked(config).warnings)
    assert problems
    assert "hunter2" not in repr(problems)


def test_env_lists_every_variable(tmp_path: Path) -> None:
    done = rustkernel(tmp_path, "config", "env", RUSTKERNEL_GPU_ENABLED="maybe", RUSTKERNEL_GPU_ENABLE="1")
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines()[1:]]
    assert [row[0] for row in rows] == [setting.variable for setting in settings()]
    assert ["RUSTKERNEL_GPU_ENABLED", "maybe", "runtime.gpu_enabled", "true"] in rows
    assert (
        done.stderr
        == "warning: RUSTKERNEL_GPU_ENABLE is no variable of rkruntime; did you mean RUSTKERNEL_GPU_ENABLED?\n"
    )
    told = {row["variable"]: row for row in json.loads(rustkernel(tmp_path, "config", "env", "--json").stdout)}
    assert told["RUSTKERNEL_RUNTIME_WORKER_THREADS"]["default"] == "the number of cores"


def test_the_schema_is_printed(tmp_path: Path) -> None:
    Draft4Validator.check_schema(json.loads(rustkernel(tmp_path, "config", "schema").stdout))


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (("config", "show", "--set", "runtime.worker_threads=none"), 4, "argument: runtime.worker_threads"),
        (("config", "show", "--set", "runtime.workers=1"), 4, "did you mean runtime.worker_threads?"),
        (("config", "show", "--set", "workers"), 2, "PATH=VALUE"),
        (("config", "show", "--preset", "prod"), 2, "high_performance"),
        (("config", "show", "--config", "no.toml"), 1, "no.toml"),
        (("config", "show", "--set", "=3"), 2, "PATH=VALUE"),
        (("config", "nosuch"), 2, "nosuch"),
        (("conifg", "show"), 2, "Did you mean config?"),
    ],
)
def test_what_is_wrong_on_the_line_is_told(tmp_path: Path, words: tuple[str, ...], status: int, told: str) -> None:
    done = rustkernel(tmp_path, *words)
    assert (done.returncode, told in done.stderr) == (status, True), done.stderr


@pytest.mark.parametrize("words", [("config",), ("config", "validate"), ("config", "show"), ("runtime", "show")])
def test_help_has_an_example(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = rustkernel(tmp_path, *words, "--help")
    assert done.returncode == 0
    assert words == ("config",) or f"Example: rustkernel {' '.join(words)}" in done.stdout


def test_validate_imports_no_more_than_it_needs(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("")
    code = (
        "import sys; from click.testing import CliRunner; from rkruntime.cli._group import cli\n"
        "done = CliRunner().invoke(cli, ['config', 'validate', 'c.toml'])\nassert done.exit_code == 0, done.output\n"
        "print(*{'numba', 'numpy', 'trio', 'tomlkit'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
