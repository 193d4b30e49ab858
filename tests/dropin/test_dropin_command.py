"""`python -m rkruntime.dropin` runs programs as `python` does."""

from __future__ import annotations

from pathlib import Path

import pytest
from programs import SCRIPTS, run, run_dropin

SAXPY = str(SCRIPTS / "saxpy.py")


def test_a_script_runs_unchanged_and_is_told_that_it_is_not_the_simulator() -> None:
    done = run_dropin(SAXPY, "1000", NUMBA_ENABLE_CUDASIM="1")
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == f"ok 0 {[SAXPY, '1000']} DeviceNDArray\n"


def test_a_module_runs_as_with_dash_m() -> None:
    done = run_dropin("-m", "saxpy", "10", cwd=SCRIPTS)
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout == f"ok 0 {[SAXPY, '10']} DeviceNDArray\n"


PROGRAMS = {
    "says where it is": "import sys; print(__name__, __file__, sys.path[0], sys.argv, __package__)",
    "exits with a number": "raise SystemExit(7)",
    "exits with a message": "import sys; sys.exit('no luck')",
    "raises": "def f():\n    raise ValueError('x')\nf()",
    "does not compile": "def f(:\n  pass",
}


@pytest.mark.parametrize(
    ("how", "program"), [*(("script", name) for name in PROGRAMS), ("module", "says where it is"), ("module", "raises")]
)
def test_a_program_cannot_tell_the_difference(how: str, program: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAMS[program])
    arguments = ("program.py", "a", "-b") if how == "script" else ("-m", "program", "a", "-b")
    plain, ours = run(*arguments, cwd=tmp_path), run_dropin(*arguments, cwd=tmp_path)
    assert ours.returncode == plain.returncode
    assert ours.stdout == plain.stdout
    assert _without_runpy(ours.stderr) == _without_runpy(plain.stderr)


@pytest.mark.parametrize("arguments", [("absent.py",), ("-m", "package")])
def test_what_is_not_there_is_told_with_pythons_exit_code(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").touch()
    plain, ours = run(*arguments, cwd=tmp_path), run_dropin(*arguments, cwd=tmp_path)
    assert plain.returncode == ours.returncode != 0
    assert arguments[-1] in ours.stderr
    assert "Traceback" not in ours.stderr


def test_nothing_to_run_is_said(tmp_path: Path) -> None:
    done = run_dropin(cwd=tmp_path)
    assert done.returncode == 2
    assert "a script or -m MODULE is needed" in done.stderr


def _without_runpy(text: str) -> list[str]:
    """Leave out the frames that lead to a module, which `python -m` shows."""
    lines = text.splitlines()
    return [line for line in lines if "<frozen runpy>" not in line]


@pytest.mark.parametrize(("before", "frozen"), [(0, True), (100_000, False)])
def test_the_garbage_collector_leaves_numba_alone_and_a_programs_own_objects_not(
    before: int, frozen: bool, tmp_path: Path
) -> None:
    program = (
        f"import gc; own = [[k] for k in range({before})]; import rkruntime.dropin; rkruntime.dropin.install(); "
        "print(gc.isenabled(), gc.get_freeze_count() > 50_000)"
    )
    (tmp_path / "program.py").write_text(program)
    done = run("program.py", cwd=tmp_path)
    assert (done.stderr, done.stdout) == ("", f"True {frozen}\n")
