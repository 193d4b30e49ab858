"""The command on files and values, good and bad."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import COMMAND, KERNELS, LIMIT_S, OnTerminal, rustkernel


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom click.testing import CliRunner\nfrom rkruntime.cli._group import cli\n"
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
    "wrong shape": (("run", "mine.py:square"), "array(float64, 1d, C)"),
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
    assert done.returncode == (5 if case == "no GPU" else 1)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert any(line.startswith("error: ") for line in done.stderr.splitlines())
    assert done.stderr.count("error: ") == done.stderr.count("  mend: ") == 1
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
        ("run", "saxpy", "--set", "x=zeros:99999999999999"),
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
    done = rustkernel(folder, "run", "saxpi")
    assert "\x1b" not in done.stderr + done.stdout


def test_colour_on_a_terminal_unless_no_color_is_set(folder: Path) -> None:
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        with OnTerminal(folder, "run", "saxpi", **environment) as shown:
            shown.finish()
        assert "did you mean saxpy" in shown.seen
        assert ("\x1b[" in shown.seen) is coloured


def test_bar_on_a_terminal_while_work_is_long(folder: Path) -> None:
    with OnTerminal(folder, "run", "mine.py:forever", "--json", "--device", "cpu") as shown:
        shown.read_until("0/1")
        shown.process.send_signal(signal.SIGTERM)
        shown.process.send_signal(signal.SIGINT)
        told = json.loads(shown.finish())
    assert shown.process.returncode == 130
    assert told["drain"]["cancelled"] == 1
    _, wiped, after = shown.seen.rpartition("\x1b[2K")
    assert wiped
    assert "━" not in after  # what was drawn last is gone; a warning may follow where the kernel still compiled
