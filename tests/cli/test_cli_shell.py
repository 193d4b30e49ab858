"""Completion in real shells, and the command on a real terminal."""

import os
import re
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command_line import COMMAND, LIMIT_S, OnTerminal, running, rustkernel

COMMANDS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
SETUPS = {
    "bash": (
        'PS1=READY\\ ; bind "set bell-style none"; bind "set completion-query-items 0"; '
        'eval "$(rustkernel completion bash)"\n'
    ),
    "zsh": (
        "autoload -U compinit; compinit -u -D; unsetopt prompt_cr prompt_sp beep zle_bracketed_paste; "
        'eval "$(rustkernel completion zsh)"; PS1="READY "\n'
    ),
}


class Shell:
    """An interactive shell on a terminal of its own."""

    def __init__(self, shell: str, folder: Path, **environment: str) -> None:
        self._master, terminal = os.openpty()
        path = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
        plain = {name: value for name, value in os.environ.items() if not name.startswith("RUSTKERNEL_")}
        self._process = subprocess.Popen(
            COMMANDS[shell],
            cwd=folder,
            env=plain | {"PATH": path, "TERM": "dumb", "PS1": "$ ", "INPUTRC": "/dev/null"} | environment,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        self.type(SETUPS[shell])
        self.read_until("\nREADY ")

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def read_until(self, wanted: str) -> str:
        seen = ""
        while wanted not in re.sub(r"[^\b]\x08", "", seen):  # zsh takes back what it completes beyond
            assert select.select([self._master], [], [], LIMIT_S)[0], f"no {wanted!r} in {seen!r}"
            seen += os.read(self._master, 65536).decode(errors="replace").replace("\r", "")
        return seen

    def close(self) -> None:
        self._process.kill()
        self._process.wait(LIMIT_S)
        os.close(self._master)


@contextmanager
def interactive(name: str, folder: Path, **environment: str) -> Iterator[Shell]:
    if shutil.which(name) is None:
        pytest.skip(f"there is no {name} here")
    shell = Shell(name, folder, **environment)
    try:
        yield shell
    finally:
        shell.close()


@pytest.mark.parametrize("name", ["bash", "zsh"])
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("rustkernel doc\t", "rustkernel doctor "),
        ("rustkernel runtime init --pres\tprod\t", "rustkernel runtime init --preset production "),
        ("rustkernel config val\t", "rustkernel config validate "),
        ("rustkernel kernels show sax\t", "rustkernel kernels show saxpy "),
        ("rustkernel explain mi\t", "rustkernel explain mine.py "),
    ],
)
def test_shells_complete(name: str, typed: str, completed: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("")
    with interactive(name, tmp_path) as shell:
        shell.type(typed)
        shell.read_until(completed)


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("rustkernel doc", "doctor"),
        ("rustkernel runtime init --preset prod", "production"),
        ("rustkernel kernels show sax", "saxpy"),
    ],
)
def test_fish_completes(typed: str, completed: str, tmp_path: Path) -> None:
    path = f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"
    told = subprocess.run(
        ["fish", "--no-config", "-c", f"rustkernel completion fish | source; complete -C '{typed}'"],
        env=os.environ | {"PATH": path, "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    assert [line.partition("\t")[0] for line in told.stdout.splitlines()] == [completed]


def test_bash_completes_the_names_of_running_instances(folder: Path) -> None:
    with (
        running(folder, "run", "mine.py:forever", "--device", "cpu", "--instance", "night-shift"),
        interactive("bash", folder) as shell,
    ):
        shell.type("rustkernel runtime status --instance ni\t")
        shell.read_until("rustkernel runtime status --instance night-shift ")
        shell.type("\n")
        shell.read_until("night-shift is running for ")


def test_what_is_written_to_a_terminal_is_what_is_written_to_a_pipe(tmp_path: Path) -> None:
    for words in (("config", "show", "--set", "runtime.workers=1"), ("runtime", "status", "--instance", "none")):
        piped = rustkernel(tmp_path, *words)
        with OnTerminal(tmp_path, *words, NO_COLOR="1") as plain:
            plain.finish()
        with OnTerminal(tmp_path, *words) as painted:
            painted.finish()
        assert plain.seen.replace("\r", "") == piped.stderr
        assert painted.seen.replace("\x1b[31m\x1b[1m", "").replace("\x1b[0m", "").replace("\r", "") == piped.stderr
        assert plain.process.returncode == painted.process.returncode == piped.returncode


def test_reports_have_no_colours_on_a_terminal_with_no_color(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[runtime]\nworker_threads = 0\n")
    command = [COMMAND, "doctor", "--config", "c.toml"]
    for more, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        master, terminal = os.openpty()
        plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
        with subprocess.Popen(command, cwd=tmp_path, env=plain | more, stdout=terminal, stderr=terminal) as process:
            os.close(terminal)
            seen = b""
            while True:
                try:
                    read = os.read(master, 65536)
                except OSError:  # the other side is closed
                    break
                seen += read
        os.close(master)
        assert process.returncode == 4
        assert b"would stop a run: " in seen
        assert (b"\x1b[" in seen) == coloured
