"""The shape of the project: one public door per package, small modules, light imports."""

import importlib
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import rkruntime

ROOT = Path(rkruntime.__file__).parent
PACKAGES = ["rkruntime", *sorted(f"rkruntime.{p.name}" for p in pkgutil.iter_modules([str(ROOT)]) if p.ispkg)]
MOST_LINES = 400


def unmeasured() -> dict[str, str]:
    """Return an environment in which coverage does not start in a child: its imports would count as ours."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_exports_what_it_says_and_nothing_else(package: str) -> None:
    module = importlib.import_module(package)
    names = getattr(module, "__all__", ())
    assert list(names) == sorted(set(names)), "sorted, and each once"
    for name in names:
        assert getattr(module, name) is not None
    public = {name for name in vars(module) if not name.startswith("_")}
    parts = {info.name for info in pkgutil.iter_modules(module.__path__)}
    assert public - set(names) - parts - {"annotations", "TYPE_CHECKING", "Any"} == set()


def test_modules_are_small() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in ROOT.rglob("*.py")}
    assert {str(path): count for path, count in lines.items() if count > MOST_LINES} == {}


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("rkruntime", ("numba", "trio", "numpy")),
        ("rkruntime.simt", ("trio", "cattrs", "structlog")),
        ("rkruntime.config", ("numba", "trio", "numpy")),
        ("rkruntime.errors", ("numba", "trio", "numpy")),
        ("rkruntime.runtime", ("numba.cuda",)),
        ("rkruntime.security", ("numba", "trio", "numpy", "jwt", "cryptography", "starlette", "asyncio")),
        ("rkruntime.cli._group", ("numba", "trio", "numpy", "attrs")),
        ("rkruntime.cli.__main__", ("numba", "trio", "numpy", "attrs", "click")),
        ("rkruntime.cli._status", ("numba", "trio", "numpy", "attrs", "click", "decimal", "asyncio")),
    ],
)
def test_imports_stay_light(imported: str, absent: tuple[str, ...]) -> None:
    code = f"import sys, {imported}; print(*[name for name in {absent!r} if name in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, env=unmeasured()
    )
    assert found.stdout.split() == []


def test_every_name_of_the_front_door_loads() -> None:
    for name in rkruntime.__all__:
        assert getattr(rkruntime, name) is not None
    assert set(rkruntime.__all__) <= set(dir(rkruntime))
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = rkruntime.no_such_name
