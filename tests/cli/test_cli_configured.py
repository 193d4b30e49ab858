"""Commands that open a runtime open it as the arguments, the variables, the file and the preset say."""

import json
from pathlib import Path

import pytest
from command_line import rustkernel

RUN = ("run", "mine.py:add", "--json")


def told(folder: Path, *words: str, **environ: str) -> dict:
    done = rustkernel(folder, *RUN, *words, **environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) | {"stderr": done.stderr}


def test_run_takes_its_limits_from_where_they_are_given(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[memory]\nmax_gpu_memory = '3MiB'\n[runtime]\ngpu_enabled = false\n")
    assert told(folder, "--device", "cpu")["memory"]["limit_bytes"] == 8 * 2**30
    assert told(folder, "--preset", "development")["memory"]["limit_bytes"] == 512 * 2**20
    assert told(folder, "--preset", "development", "--config", str(file))["memory"]["limit_bytes"] == 3 * 2**20
    limited = told(folder, "--config", str(file), RUSTKERNEL_MEMORY_POOLING_ENABLED="false")
    assert limited["memory"]["cached_bytes"] == 0
    assert told(folder, RUSTKERNEL_ENV="testing")["memory"]["limit_bytes"] == 64 * 2**20
    done = rustkernel(folder, *RUN, "--config", str(file), "--device", "cuda")
    assert done.returncode == 4
    assert 'argument: runtime.device = "cuda" is not allowed' in done.stderr


def test_run_logs_as_it_is_told_to(folder: Path) -> None:
    assert told(folder)["stderr"] == "running add on cpu\n"
    loud = told(folder, RUSTKERNEL_RUNTIME_LOG_LEVEL="info")["stderr"]
    assert " INFO    rkruntime.runtime: transition before=created after=starting" in loud
    lines = told(folder, "--preset", "production")["stderr"].splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert [event["after"] for event in events if event["event"] == "transition"] == [
        "starting",
        "running",
        "draining",
        "stopped",
    ]
    quiet = told(folder, "--preset", "production", RUSTKERNEL_RUNTIME_LOG_LEVEL="error")["stderr"]
    assert quiet == "running add on cpu\n"


@pytest.mark.parametrize("words", [RUN, ("demo",)], ids=["run", "demo"])
def test_what_is_wrong_with_the_configuration_ends_it(folder: Path, words: tuple[str, ...]) -> None:
    done = rustkernel(folder, *words, RUSTKERNEL_GPU_ENABLED="banana")
    assert (done.returncode, done.stdout) == (4, "")
    assert 'RUSTKERNEL_GPU_ENABLED: runtime.gpu_enabled = "banana" is not allowed' in done.stderr
    assert rustkernel(folder, *words, "--config", "no.toml").returncode == 1


def test_unknown_variables_are_warned_about(folder: Path) -> None:
    warned = told(folder, RUSTKERNEL_MAX_INSTANCE="1")["stderr"]
    assert "did you mean RUSTKERNEL_MAX_INSTANCES?" in warned
