"""The command as users run it: a process of its own, real files, real signals."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

COMMAND = str(Path(sys.executable).with_name("rustkernel"))
LIMIT_S = 120  # against hanging; nothing is measured

KERNELS = """\
import numpy as np
from numba import cuda

@cuda.jit
def divide(a, x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] = 10 // (a - i)

@cuda.jit
def forever(x):
    i = cuda.grid(1)
    while x[0] < 1:
        i += 1
        if i == -5:
            x[0] = 1
    x[0] = i

@cuda.jit
def untyped(x):
    x[0] = x.nosuch

@cuda.jit
def beyond(x):
    x[x.size + 5] = 1

@cuda.jit
def add(a, x, y):
    i = cuda.grid(1)
    if i < x.size:
        y[i] += a * x[i]

def example():
    raise RuntimeError("not today")

def example_add(n=8):
    return {"a": np.float32(2), "x": np.arange(n, dtype=np.float32), "y": np.ones(n, np.float32), "over": n}

def example_untyped():
    return {"x": np.zeros(4), "over": 4}

example_forever = example_beyond = example_untyped

def example_divide():
    return {"a": 3, "x": np.zeros(100, np.int64), "over": 100}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("cli")
    (made / "mine.py").write_text(KERNELS)
    (made / "broken.py").write_text("def (:\n")
    (made / "empty.py").write_text("x = 1\n")
    (made / "notes.txt").write_text("hello\n")
    np.save(made / "long.npy", np.arange(16, dtype=np.float32))
    np.save(made / "text.npy", np.array(["a", "b"]))
    np.save(made / "big.npy", np.zeros(4, ">f4"))
    return made


def rustkernel(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *words],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command, go on once its launches have been asked for, and leave no process behind."""
    with subprocess.Popen(
        [COMMAND, *words], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("running ")
            yield process
        finally:
            process.kill()


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom rkruntime.cli.__main__ import cli\n"
        "done = CliRunner().invoke(cli, ['--help'])\nassert done.exit_code == 0 and 'explain' in done.output\n"
        "heavy = {'numba', 'numpy', 'trio', 'rich', 'PIL'} & set(sys.modules)\nassert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=LIMIT_S)


def test_example_runs_and_result_is_written(folder: Path) -> None:
    done = rustkernel(folder, "run", "mine.py:add", "--out", "y=y.npy", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(folder / "y.npy"), 1 + 2 * np.arange(8, dtype=np.float32))
    for said in ("add on cpu", "lowering  loop, grid 1 x 1 x 1", "compile", "copy in", "queue", "device", "copy out"):
        assert said in done.stdout
    assert "memory" in done.stdout
    assert "drained in" in done.stdout
    assert done.stderr == "running add on cpu\n"


def test_files_and_values_take_the_examples_place(folder: Path) -> None:
    words = ("--input", "x=long.npy", "--set", "a=3", "--set", "y=like:x", "--over", "16", "--out", "y=out.csv")
    done = rustkernel(folder, "run", "mine.py:add", *words, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kernel"] == "add"
    assert told["device"]["kind"] == "cpu"
    assert told["outputs"] == {"y": "out.csv"}
    assert told["drain"]["failed"] == 0
    np.testing.assert_array_equal(np.loadtxt(folder / "out.csv"), 3 * np.arange(16))


def test_repeats_each_find_the_same_input(folder: Path) -> None:
    words = ("--repeat", "5", "--parallel", "2", "--out", "y=again.npy", "--json", "--block", "4")
    done = rustkernel(folder, "run", "mine.py:add", *words)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["completed"] == told["repeat"] == len(told["launches"]) == 5
    assert told["block"] == [4, 1, 1]
    parts = ("compile_s", "copy_in_s", "queue_s", "device_s", "copy_out_s")
    for launch in told["launches"]:
        assert all(launch[part] >= 0 for part in parts)
    np.testing.assert_array_equal(np.load(folder / "again.npy"), 1 + 2 * np.arange(8))


def test_library_by_name_and_explain_and_list(folder: Path) -> None:
    done = rustkernel(folder, "explain", "saxpy")
    assert done.returncode == 0, done.stderr
    assert "lowering: loop" in done.stdout
    listed = rustkernel(folder, "kernels", "--kernels", str(folder / "absent"))
    assert listed.returncode == 1
    assert "no such folder" in listed.stderr
    listed = rustkernel(folder, "kernels")
    assert "saxpy" in listed.stdout


def test_version() -> None:
    done = subprocess.run([COMMAND, "version"], capture_output=True, text=True, timeout=LIMIT_S, check=True)
    assert done.stdout.startswith("rkruntime ")
    assert "numba-cuda" in done.stdout


BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "wrong dtype": (("run", "mine.py:add", "--input", "x=text.npy", "--over", "2"), "dtype <U1, shape (2,)"),
    "foreign byte order": (("run", "mine.py:add", "--input", "x=big.npy", "--over", "2"), "byte order"),
    "no argument": (("run", "rkruntime.runtime._canary:canary"), "argument values: got nothing"),
    "unknown argument": (("run", "mine.py:add", "--set", "b=3"), "argument b"),
    "scalar for array": (("run", "mine.py:add", "--set", "x=3"), "add"),
    "unknown kernel": (("run", "mine.py:ad"), "did you mean add"),
    "unknown name": (("run", "saxpi"), "did you mean saxpy"),
    "no file": (("run", "absent.py:k"), "no such file"),
    "no kernel file": (("run", "notes.txt"), "ends in .txt"),
    "broken file": (("run", "broken.py:k"), "broken.py is no kernel file: line 1"),
    "file without kernels": (("run", "empty.py"), "there is no kernel in it"),
    "several kernels": (("run", "mine.py"), "which has several"),
    "does not compile": (("run", "mine.py:untyped"), "Unknown attribute 'nosuch'"),
    "divides by zero": (("run", "mine.py:divide"), "kernel divide in block (0, 0, 0), thread (3, 0, 0)"),
    "out of bounds, checked": (("run", "mine.py:beyond", "--check"), "kernel beyond in block (0, 0, 0)"),
    "block too large": (("run", "mine.py:add", "--block", "2048"), "(2048, 1, 1)"),
    "nothing to launch over": (("run", "mine.py:add", "--over", "0"), "over 0"),
    "arrays changed, no size": (("run", "mine.py:add", "--input", "x=long.npy"), "--over"),
    "no input file": (("run", "mine.py:add", "--input", "x=absent.npy", "--over", "3"), "absent.npy"),
    "unknown format": (("run", "mine.py:add", "--out", "y=y.xyz"), "unknown format .xyz"),
    "no folder for output": (("run", "mine.py:add", "--out", "y=absent/y.npy"), "no folder"),
    "number as output": (("run", "mine.py:add", "--out", "a=a.npy"), "argument a"),
    "no GPU": (("run", "saxpy", "--device", "cuda"), "--device cpu"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_block_and_no_traceback(folder: Path, case: str) -> None:
    words, named = BAD[case]
    if case == "no GPU" and Path("/proc/driver/nvidia/version").exists():
        pytest.skip("there is a GPU")
    done = rustkernel(folder, *words)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error: ") >= 1
    assert "mend: " in done.stderr
    assert named in done.stderr


def test_example_that_raises_is_named(folder: Path, tmp_path: Path) -> None:
    text = KERNELS.replace("example_add", "unused_add")
    (tmp_path / "other.py").write_text(text)
    done = rustkernel(tmp_path, "run", "other.py:add")
    assert done.returncode == 1
    assert "its example() raised RuntimeError: not today" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("run",),
        ("nothing",),
        ("run", "saxpy", "--over", "abc"),
        ("run", "saxpy", "--set", "a=two"),
        ("run", "saxpy", "--set", "a"),
        ("run", "saxpy", "--device", "tpu"),
        ("run", "saxpy", "--repeat", "0"),
    ],
)
def test_wrong_usage_ends_with_2(folder: Path, words: tuple[str, ...]) -> None:
    done = rustkernel(folder, *words)
    assert done.returncode == 2
    assert "Usage:" in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback(folder: Path) -> None:
    for words in (("--debug", "run", "saxpi"), ("run", "saxpi", "--debug")):
        done = rustkernel(folder, *words)
        assert done.returncode == 1
        assert "Traceback" in done.stderr
        assert "KernelNotFound" in done.stderr


def test_no_colour_where_nobody_sees_it(folder: Path) -> None:
    done = rustkernel(folder, "run", "saxpi", NO_COLOR="1")
    assert "\x1b" not in done.stderr + done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_drains_under_load(folder: Path, number: signal.Signals) -> None:
    with running(folder, "run", "sobel", "--repeat", "1000000", "--parallel", "8", "--json") as process:
        process.send_signal(number)
        out, _ = process.communicate(timeout=LIMIT_S)
    told: dict[str, Any] = json.loads(out)
    drain = told["drain"]
    assert process.returncode == 130
    assert told["interrupted"]
    assert drain["completed"] >= 1
    assert (drain["cancelled"], drain["failed"], drain["abandoned"], drain["leaked"]) == (0, 0, 0, [])
    assert drain["by_actor"]["sobel"]["completed"] == drain["completed"]
    assert told["completed"] >= drain["completed"]


def test_second_signal_cancels_a_kernel_that_never_ends(folder: Path) -> None:
    with running(folder, "run", "mine.py:forever", "--json") as process:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=LIMIT_S)
    told = json.loads(out)
    assert process.returncode == 130
    assert told["completed"] == 0
    assert told["drain"]["cancelled"] == 1
    assert told["drain"]["leaked"] == []
