"""What every command has in common: an example, exit codes, colours where they belong, completion."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from command_line import COMMAND, LIMIT_S, OnTerminal, rustkernel

from rkruntime.cli import _group as click_group
from rkruntime.cli._exit_codes import MEANINGS, ExitCode
from rkruntime.cli._group import COMMANDS, cli
from rkruntime.cli._paint import paint

ESCAPE = "\x1b["


def commands(group: click.Group, *above: str) -> Iterator[tuple[str, ...]]:
    """Every command and group below a group, as people write it."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        found = group.get_command(ctx, name)
        yield (*above, name)
        if isinstance(found, click.Group):
            yield from commands(found, *above, name)


ALL = [(), *commands(cli)]


def command_at(words: tuple[str, ...]) -> click.Command:
    found: click.Command = cli
    for word in words:
        assert isinstance(found, click.Group)
        below = found.get_command(click.Context(found), word)
        assert below is not None
        found = below
    return found


def test_all_commands_are_looked_at() -> None:
    assert {words[0] for words in ALL if words} == set(COMMANDS)
    assert ("runtime", "status") in ALL
    assert len(ALL) >= 20


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_help_has_an_example_of_that_command(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, [*words, "--help"], prog_name="rustkernel")
    assert done.exit_code == 0
    (example,) = [line.strip() for line in done.output.splitlines() if line.strip().startswith("Example: ")]
    assert " ".join(["rustkernel", *words]) in example
    assert ESCAPE not in done.output


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_no_option_is_there_twice(words: tuple[str, ...]) -> None:
    names = [name for parameter in command_at(words).params for name in parameter.opts]
    assert len(names) == len(set(names))


def test_the_help_has_the_exit_codes() -> None:
    output = CliRunner().invoke(cli, ["--help"], prog_name="rustkernel").output
    assert set(MEANINGS) == set(ExitCode)
    for code, meaning in MEANINGS.items():
        assert any(line.split(maxsplit=1) == [str(code.value), meaning] for line in output.splitlines())


def test_the_guide_has_the_exit_codes() -> None:
    page = Path(__file__).parents[2] / "docs" / "guide" / "command-line.md"
    rows = [line for line in page.read_text().splitlines() if re.match(r"\| \d", line)]
    assert rows == [f"| {code.value} | {meaning} |" for code, meaning in MEANINGS.items()]


def test_colours_only_on_a_terminal_and_never_with_no_color(folder: Path) -> None:
    for words in (("run", "nothing"), ("runtime", "status"), ("doctor", "--set", "runtime.device=cuda")):
        done = rustkernel(folder, *words)
        assert ESCAPE not in done.stdout + done.stderr
    with OnTerminal(folder, "runtime", "status", "--instance", "none") as on_terminal:
        on_terminal.finish()
        assert ESCAPE in on_terminal.seen
    with OnTerminal(folder, "runtime", "status", "--instance", "none", NO_COLOR="1") as on_terminal:
        on_terminal.finish()
        assert ESCAPE not in on_terminal.seen


@pytest.mark.parametrize(("environ", "painted"), [("", True), ("1", False)])
def test_paint_goes_by_no_color(environ: str, painted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", environ)
    assert (ESCAPE in paint("red")) == painted


def test_nothing_else_paints() -> None:
    sources = Path(click_group.__file__).parent.glob("*.py")
    assert [path.name for path in sources if "click.style(" in path.read_text() or "secho(" in path.read_text()] == [
        "_paint.py"
    ]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell: str, tmp_path: Path) -> None:
    done = rustkernel(tmp_path, "completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_RUSTKERNEL_COMPLETE={shell}_complete" in done.stdout


def test_the_bash_script_is_bash(tmp_path: Path) -> None:
    script = rustkernel(tmp_path, "completion", "bash").stdout
    subprocess.run(["bash", "-n"], input=script, text=True, check=True, timeout=LIMIT_S)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("rustkernel run sax", ["plain,saxpy"]),
        ("rustkernel explain mandel", ["plain,mandelbrot"]),
        ("rustkernel kernels show black", ["plain,black_scholes"]),
        ("rustkernel run --kernels . divi", ["plain,divide"]),
        ("rustkernel run mine.", ["file,mine."]),
        ("rustkernel runtime init --preset pro", ["plain,production"]),
        ("rustkernel runtime dr", ["plain,drain"]),
        ("rustkernel doc", ["plain,doctor"]),
        ("rustkernel runtime status --instance non", []),
    ],
)
def test_completing(line: str, offered: list[str], folder: Path, tmp_path: Path) -> None:
    good = tmp_path / "good"
    good.mkdir()
    (good / "mine.py").write_text((folder / "mine.py").read_text())
    words = len(line.split()) - 1
    told = {"_RUSTKERNEL_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(words)}
    assert rustkernel(good, **told).stdout.split() == offered


JSON = (
    ["kernels", "list"],
    ["kernels", "show", "saxpy"],
    ["doctor"],
    ["config", "env"],
    ["config", "show"],
    ["runtime", "show"],
    ["runtime", "status"],
    ["explain", "saxpy"],
    ["version"],
)
NOT_TO_READ = {"new", "completion", "config generate", "config schema", "serve"}  # what they write is no report


def test_every_command_with_something_to_read_has_json() -> None:
    for words in ALL:
        found = command_at(words)
        if not isinstance(found, click.Group):
            options = {name for parameter in found.params for name in parameter.opts}
            assert ("--json" in options) == (" ".join(words) not in NOT_TO_READ), words


def test_every_json_is_json(folder: Path) -> None:
    for words in JSON:
        assert json.loads(rustkernel(folder, *words, "--json").stdout)


def test_the_console_script_is_the_module() -> None:
    done = subprocess.run([COMMAND, "version"], capture_output=True, text=True, check=True, timeout=LIMIT_S)
    assert done.stdout.startswith("rkruntime ")
    told = subprocess.run([COMMAND, "--version"], capture_output=True, text=True, check=True, timeout=LIMIT_S)
    assert told.stdout == done.stdout.partition(",")[0] + "\n"
