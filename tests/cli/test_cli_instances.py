"""`rustkernel runtime status`, `drain` and `init`, against real instances in processes of their own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import COMMAND, LIMIT_S, running, rustkernel, started

from rkruntime.cli._status import answer_at_once, status_text
from rkruntime.config import ProductionConfig

FOREVER = ("run", "mine.py:forever", "--device", "cpu")


@pytest.fixture(autouse=True)
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "rkruntime"


def test_status_of_a_live_instance(folder: Path) -> None:
    with running(folder, *FOREVER) as process:
        done = rustkernel(folder, "runtime", "status")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("default is running for ")
        assert f"(process {process.pid}, " in done.stdout
        for said in ("cpu: ", "in flight  1", "actors     1", "forever: running", "pressure   normal", "live, ready"):
            assert said in done.stdout
        told = json.loads(rustkernel(folder, "runtime", "status", "--json").stdout)
        assert (told["instance"], told["pid"], told["state"], told["in_flight"]) == (
            "default",
            process.pid,
            "running",
            1,
        )
        assert {"device", "staging", "pressure"} <= set(told["memory"])


def test_nothing_running_is_exit_status_3(folder: Path) -> None:
    for words in (["status"], ["status", "--json"], ["drain"], ["status", "--debug", "--instance", "x"]):
        done = rustkernel(folder, "runtime", *words, NO_COLOR="1")
        assert done.returncode == (3 if "--debug" not in words else 1)
        assert done.stdout == "" or json.loads(done.stdout)["state"] == "not running"
    done = rustkernel(folder, "runtime", "status", NO_COLOR="1")
    assert done.stderr == "error: the runtime 'default' is not running\n  mend: no runtime of yours is running\n"
    for more in ((), ("--debug",)):  # with --debug click reads the words, and answers the same
        done = rustkernel(folder, "runtime", "status", "--json", *more)
        assert (done.returncode, done.stderr) == (3, "")
        assert json.loads(done.stdout) == {"instance": "default", "state": "not running", "running": []}


def test_instances_are_told_apart(folder: Path) -> None:
    with running(folder, *FOREVER, "--instance", "first") as first, running(folder, *FOREVER) as other:
        for name, process in (("first", first), ("default", other)):
            done = rustkernel(folder, "runtime", "status", "--json", f"--instance={name}")
            assert json.loads(done.stdout)["pid"] == process.pid
        done = rustkernel(folder, "runtime", "status", "--instance", "second")
        assert done.returncode == 3
        assert "running are: default, first" in done.stderr
        done = rustkernel(folder, *FOREVER, "--instance", "first")
        assert done.returncode == 1
        assert f"'first' is taken by process {first.pid}" in done.stderr


def test_a_second_default_goes_by_its_process(folder: Path) -> None:
    with running(folder, *FOREVER), running(folder, *FOREVER) as second:
        name = f"pid-{second.pid}"
        told = json.loads(rustkernel(folder, "runtime", "status", "--json", "--instance", name).stdout)
        assert told["pid"] == second.pid


def test_drain_with_losses_is_exit_status_6(folder: Path, sockets: Path) -> None:
    with running(folder, *FOREVER, "--json") as process:
        done = rustkernel(folder, "runtime", "drain", "--timeout", "0.1s")
        assert done.returncode == 6
        assert done.stderr.startswith("default is draining: 1 in flight\n")
        assert done.stdout.startswith("drained in ")
        assert "1 cancelled" in done.stdout
        assert rustkernel(folder, "runtime", "status").returncode == 3
        out, _ = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, json.loads(out)["drain"]["cancelled"]) == (130, 1)
    assert not list(sockets.glob("*.sock"))


def test_drain_of_what_can_finish_is_fine(folder: Path) -> None:
    with running(folder, "run", "sobel", "--repeat", "1000000", "--parallel", "4") as process:
        done = rustkernel(folder, "runtime", "drain", "--json")
        told = json.loads(done.stdout)
        assert (done.returncode, told["losses"], told["failure"]) == (0, 0, None)
        assert told["report"]["completed"] >= 1
        process.communicate(timeout=LIMIT_S)
        assert process.returncode == 130


def test_the_drain_goes_on_where_its_follower_is_interrupted(folder: Path) -> None:
    with running(folder, *FOREVER) as process:
        command = [COMMAND, "runtime", "drain", "--timeout", "600"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as follower:
            assert follower.stderr is not None
            assert follower.stderr.readline() == "default is draining: 1 in flight\n"
            follower.send_signal(signal.SIGINT)
            _, said = follower.communicate(timeout=LIMIT_S)
            assert (follower.returncode, said) == (130, "not followed any more; the drain goes on\n")
        told = json.loads(rustkernel(folder, "runtime", "status", "--json").stdout)
        assert (told["state"], told["in_flight"], told["health"]["ready"]) == ("draining", 1, False)
        assert rustkernel(folder, "runtime", "drain", "--timeout", "0").returncode == 6
        process.communicate(timeout=LIMIT_S)


def test_a_killed_instance_is_not_running_and_its_name_is_free(folder: Path, sockets: Path) -> None:
    with running(folder, *FOREVER) as process:
        process.kill()
        process.wait(LIMIT_S)
        assert (sockets / "default.sock").exists()
        assert rustkernel(folder, "runtime", "status").returncode == 3
    with running(folder, *FOREVER) as process:
        told = json.loads(rustkernel(folder, "runtime", "status", "--json").stdout)
        assert told["pid"] == process.pid


@pytest.mark.parametrize("words", [("status", "--instance", "../x"), ("drain", "--timeout", "soon"), ("status", "x")])
def test_what_is_not_understood_is_exit_status_2(folder: Path, words: tuple[str, ...]) -> None:
    assert rustkernel(folder, "runtime", *words).returncode == 2
    assert rustkernel(folder, "run", "saxpy", "--instance", "a b").returncode == 2


def test_a_closed_pipe_is_no_traceback(folder: Path) -> None:
    with running(folder, *FOREVER):
        process = subprocess.Popen([COMMAND, "runtime", "status"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait(LIMIT_S) in (0, 1)
        process.stderr.close()


def test_status_imports_little(folder: Path) -> None:
    code = "import sys; sys.argv = ['rustkernel', 'runtime', 'status', '--json']\n" + (
        "from rkruntime.cli.__main__ import main\ntry:\n    main()\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'click', 'trio', 'numpy', 'numba', 'attr', 'decimal', 'asyncio', 'socket'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    with running(folder, *FOREVER):
        plain = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_PROCESS")}  # it imports decimal
        subprocess.run([sys.executable, "-c", code], check=True, timeout=LIMIT_S, capture_output=True, env=plain)


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--instance"], ["--instance", "a/b"], ["more"], ["--js"]])
def test_words_that_are_not_plain_are_clicks(words: list[str]) -> None:
    assert answer_at_once(words) is None


def test_many_actors_are_cut_short_for_people() -> None:
    actor = {"name": "a", "state": "running", "in_flight": 0, "messages": 0, "restarts": 0, "memory_bytes": 0}
    health = {"live": True, "ready": False, "checks": [{"name": "device", "ok": False, "detail": "gone"}]}
    told = {"instance": "x", "state": "draining", "for_s": 2.0, "since": "2026-01-01T00:00:00.5", "pid": 1}
    told |= {"version": "0", "in_flight": 0, "actors": {"live": 1234, "listed": [actor] * 100}}
    text = status_text(told | {"device": None, "memory": None, "health": health})
    assert "and 1,224 more" in text
    assert "device NOT OK: gone" in text
    assert "live, not ready" in text


def test_init_writes_checks_and_is_ready(tmp_path: Path) -> None:
    words = ("runtime", "init", "--preset", "testing")
    done = rustkernel(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("wrote rustkernel.toml\n")
    assert done.stdout.endswith("\nready\n")
    assert ProductionConfig.from_file(tmp_path / "rustkernel.toml", environ={}) == ProductionConfig.from_preset(
        "testing"
    )
    assert rustkernel(tmp_path, *words).returncode == 1
    done = rustkernel(tmp_path, *words, "--force", "--json")
    assert (done.returncode, json.loads(done.stdout)["ready"]) == (0, True)


def test_init_tells_what_is_in_the_way(tmp_path: Path) -> None:
    words = ("runtime", "init", "--preset", "hp", "--force")
    assert started(tmp_path, *words, RUSTKERNEL_RUNTIME_DEVICE="cuda", CUDA_VISIBLE_DEVICES="").returncode == 5
    assert rustkernel(tmp_path, *words, RUSTKERNEL_RUNTIME_WORKER_THREADS="0").returncode == 4
    done = rustkernel(tmp_path, *words, RUSTKERNEL_RUNTIME_DEVICE="cpu", RUSTKERNEL_MAX_GPU_MEMORY_GB="900000")
    assert done.returncode == 0, done.stderr
    assert "warning: " in done.stderr
    assert "max_gpu_memory" in done.stderr
