"""Each setting is spelled once: a field added to one class, in a copy of the package, is there in every place."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import rkruntime

PACKAGE = Path(rkruntime.__file__).parent
BEFORE = "    log_format: str = attrs.field("
FIELD = """\
    warm_up: Duration = attrs.field(
        default=Duration("3s"), converter=to_duration, validator=Seconds(), metadata=about("Time to warm up.")
    )
"""
USES = """\
import json, runpy, sys
from pathlib import Path
import jsonschema, tomli
from rkruntime.config import *
from rkruntime.config import _settings
from rkruntime.runtime import RuntimeBuilder

path, variable = "runtime.warm_up", "RUSTKERNEL_RUNTIME_WARM_UP"
Path("c.toml").write_text("[runtime]\\nwarm_up_secs = 4\\n")
loaded = load_config("c.toml", environ={})
write = runpy.run_path(sys.argv[1])
schema = json_schema()
allowed = _settings.by_path()[path].kind.allowed
row = f"| `warm_up` | {allowed} | `\\"3s\\"` | `{variable}` | Time to warm up. |"
try:
    load_config(environ={}, arguments={path: -1})
except ValueError as error:
    refusal = str(error.problems[0])
print(json.dumps({
    "class": RuntimeConfig(warm_up=5).warm_up,
    "docstring": "warm_up: Time to warm up." in RuntimeConfig.__doc__,
    "builder": RuntimeBuilder().with_warm_up(6).build().config.warm_up,
    "production builder": ProductionConfigBuilder().runtime(lambda r: r.warm_up("7s")).build().runtime.warm_up,
    "environment": ProductionConfig.from_env({variable: "8s"}).runtime.warm_up,
    "file": loaded.config.runtime.warm_up,
    "origin": str(loaded.origins[path]),
    "refusal": refusal,
    "template": tomli.loads(to_toml(loaded.config))["runtime"]["warm_up"],
    "schema": schema["properties"]["runtime"]["properties"]["warm_up"]["description"].partition("\\n")[0],
    "page": row in write["settings_tables"](),
    "methods": "def with_warm_up(self, value: float) -> Self:" in write["methods"](),
}))
"""
EXPECTED = {
    "class": 5,
    "docstring": True,
    "builder": 6,
    "production builder": 7,
    "environment": 8,
    "file": 4,
    "origin": "file c.toml:2",
    "refusal": "argument: runtime.warm_up = -1 is not allowed; "
    'allowed: a number of seconds or a text such as "30s" or "250ms", more than 0 s',
    "template": "4s",
    "schema": "Time to warm up.",
    "page": True,
    "methods": True,
}


def python(folder: Path, *words: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("RUSTKERNEL_", "COVERAGE_"))}
    environ["PYTHONPATH"] = str(folder)
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the package, in which one class has one field more."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / "rkruntime", ignore=shutil.ignore_patterns("__pycache__"))
    model = folder / "rkruntime" / "config" / "_model.py"
    text = model.read_text()
    assert text.count(BEFORE) == 1
    model.write_text(text.replace(BEFORE, FIELD + BEFORE))
    return folder


def test_a_new_field_is_in_the_library_and_its_pages(copy: Path) -> None:
    script = str(PACKAGE.parent / "docs" / "write_configuration.py")
    assert json.loads(python(copy, "-c", USES, script)) == EXPECTED


def test_a_new_field_is_on_the_command_line(copy: Path) -> None:
    command = ("-m", "rkruntime.cli.__main__", "config")
    assert '\nwarm_up = "3s"\n' in python(copy, *command, "generate")
    assert "RUSTKERNEL_RUNTIME_WARM_UP" in python(copy, *command, "env")
    assert 'runtime.warm_up = "9s"  # argument' in python(copy, *command, "show", "--set", "runtime.warm_up=9s")
    schema = json.loads(python(copy, *command, "schema"))
    assert "warm_up" in schema["properties"]["runtime"]["properties"]
