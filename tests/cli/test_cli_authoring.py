"""`rustkernel new`, `kernels show` and `doctor`, as users run them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import LIMIT_S, rustkernel, started


def pytest_passes(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def test_new_writes_a_kernel_that_runs_and_a_test_that_passes(tmp_path: Path) -> None:
    done = rustkernel(tmp_path, "new", "blur.py")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["blur.py", "test_blur.py"]
    done = rustkernel(tmp_path, "run", "blur.py", "--json", "--device", "cpu")
    assert (done.returncode, json.loads(done.stdout)["completed"]) == (0, 1)
    assert rustkernel(tmp_path, "explain", "blur.py").returncode == 0
    tested = pytest_passes(tmp_path, "test_blur.py")
    assert tested.returncode == 0, tested.stdout
    assert "3 passed" in tested.stdout


def test_the_test_that_new_writes_can_fail(tmp_path: Path) -> None:
    rustkernel(tmp_path, "new", "blur.py")
    text = (tmp_path / "blur.py").read_text()
    (tmp_path / "blur.py").write_text(text.replace("out[i] = a * x[i]", "out[i] = a + x[i]"))
    assert pytest_passes(tmp_path, "test_blur.py").returncode == 1


def test_what_new_writes_is_well_formed(tmp_path: Path) -> None:
    rustkernel(tmp_path, "new", "blur.py")
    checked = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "E,F,B,UP", "--line-length", "120"]
    subprocess.run([*checked, str(tmp_path)], check=True, timeout=LIMIT_S, capture_output=True)


@pytest.mark.parametrize("there", ["blur.py", "test_blur.py"])
def test_new_replaces_nothing_unasked(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    done = rustkernel(tmp_path, "new", "blur.py")
    assert done.returncode == 1
    assert "there already" in done.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "mine")]
    assert rustkernel(tmp_path, "new", "blur.py", "--force").returncode == 0
    assert "mine" not in [path.read_text() for path in tmp_path.iterdir()]


@pytest.mark.parametrize("file", ["blur", "a-b.py", "class.py", "example.py", "1.py", "blur.txt", "gone/blur.py"])
def test_new_refuses_names_that_cannot_be(tmp_path: Path, file: str) -> None:
    assert rustkernel(tmp_path, "new", file).returncode == (1 if "/" in file else 2)
    assert list(tmp_path.iterdir()) == []


def test_a_kernel_is_shown_with_all_that_is_known(folder: Path) -> None:
    done = rustkernel(folder, "kernels", "show", "saxpy")
    assert done.returncode == 0, done.stderr
    for said in ("saxpy(a, x, y, out)", "vectors.py:", "Set out = a x + y", "float32 array of 1000000", "the example"):
        assert said in done.stdout
    assert done.stdout.endswith("Run it: rustkernel run saxpy\n")
    page = json.loads(rustkernel(folder, "kernels", "show", "mine.py:square", "--json").stdout)
    lines = (folder / "mine.py").read_text().splitlines()
    assert page["file"].endswith("mine.py")
    assert lines[page["line"] :][0] == "def square(x):"
    assert page["arguments"] == [{"name": "x", "dtype": "float64", "shape": [6], "value": None, "default": None}]
    assert page["launch"] == {"over": [2, 3], "grid": [1, 1, 1], "block": [16, 16, 1], "block_from": "the default"}


def test_a_kernel_whose_example_fails_or_is_missing_is_shown_still(folder: Path) -> None:
    (folder / "bare.py").write_text(
        "import rkruntime as rk\n@rk.kernel(block=64)\ndef bare(x, y=2):\n    x[0] = y\n"
        "def example_sad(): raise ValueError\n@rk.kernel\ndef sad(x):\n    x[0] = 1\n"
    )
    page = json.loads(rustkernel(folder, "kernels", "show", "bare.py:bare", "--json").stdout)
    assert page["example"] == "rustkernel run bare.py:bare --input x=x.npy --over 1000"
    assert (page["launch"], page["problem"], page["arguments"][1]["default"]) == (None, None, "2")
    done = rustkernel(folder, "kernels", "show", "bare.py:sad")
    assert done.returncode == 0
    assert "The example fails: " in done.stdout
    assert rustkernel(folder, "kernels", "show", "nosuch").returncode == 1


def test_every_library_kernel_can_be_shown(folder: Path) -> None:
    rows = json.loads(rustkernel(folder, "kernels", "list", "--json").stdout)
    code = (
        "import json, sys\nfrom rkruntime.cli._kernel_page import page_dict, page_text\n"
        "from rkruntime.kernels import find\n"
        "for name in sys.argv[1:]:\n    page = page_dict(find(name), name)\n    json.dumps(page)\n"
        "    assert page['problem'] is None and page_text(page), name\n"
    )
    names = [row["name"] for row in rows]
    assert len(names) >= 10
    subprocess.run([sys.executable, "-c", code, *names], check=True, timeout=LIMIT_S)


def test_kernels_alone_lists_them(folder: Path) -> None:
    good = folder / "good"
    good.mkdir()
    (good / "mine.py").write_text((folder / "mine.py").read_text())
    for words in (["--kernels", "good"], ["list", "--kernels", "good"], ["--kernels", "good", "list"]):
        done = rustkernel(folder, "kernels", *words)
        assert done.returncode == 0, done.stderr
        assert {"saxpy", "divide"} <= {line.split()[0] for line in done.stdout.splitlines()}


def test_doctor_says_what_is_here_and_what_would_be_picked(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    done = started(tmp_path, "doctor", "--preset", "testing", RKRUNTIME_CACHE_DIR=cache)
    assert done.returncode == 0, done.stdout
    for said in ("Python", "numba", "cores for this process", "CUDA driver", cache, "from preset testing", "because"):
        assert said in done.stdout
    assert done.stdout.endswith("nothing stops a run\n")
    found = json.loads(rustkernel(tmp_path, "doctor", "--json", "--preset", "testing").stdout)
    assert (found["exit_code"], found["problems"], found["picks"]["kind"]) == (0, [], "cpu")
    assert found["picks"]["why"] == "runtime.gpu_enabled is false"
    assert found["cpu"]["cores"] >= 1


def test_doctor_ends_with_what_a_run_would_end_with(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[runtime]\nworker_threads = 0\n")
    done = rustkernel(tmp_path, "doctor", "--config", "c.toml")
    assert done.returncode == 4
    assert "would stop a run: " in done.stdout
    assert "c.toml:2:1: runtime.worker_threads = 0" in done.stdout
    done = started(tmp_path, "doctor", "--set", "runtime.device=cuda", "--json", CUDA_VISIBLE_DEVICES="")
    assert (done.returncode, json.loads(done.stdout)["exit_code"]) == (5, 5)


def test_doctor_without_a_cache(tmp_path: Path) -> None:
    done = started(tmp_path, "doctor", "--preset", "testing", RKRUNTIME_CACHE_DIR="")
    assert "none: compiled kernels are not kept" in done.stdout
