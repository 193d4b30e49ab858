"""The command as users run it: a process of its own, in a folder of kernels and files."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

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
def long(n, x):
    total = 0.0
    for k in range(n):
        total = total * 0.5 + k
    x[0] = total

@cuda.jit
def square(x):
    i, j = cuda.grid(2)
    x[i, j] = i

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

def example_long():
    return {"n": 1_000_000_000, "x": np.zeros(1), "grid": 1, "block": 1}

def example_square():
    return {"x": np.zeros(6), "over": (2, 3)}

def example_divide():
    return {"a": 3, "x": np.zeros(100, np.int64), "over": 100}
"""


class WarmCommand:
    """What runs commands without importing each time what they need (`warm_command.py`)."""

    def __init__(self) -> None:
        program = str(Path(__file__).with_name("warm_command.py"))
        pipe = subprocess.PIPE
        self._process = subprocess.Popen([sys.executable, program], stdin=pipe, stdout=pipe, text=True)

    def run(self, folder: Path, words: tuple[str, ...], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.NamedTemporaryFile("r") as out, tempfile.NamedTemporaryFile("r") as err:
            asked = {"folder": str(folder), "environ": environ, "words": words, "out": out.name, "err": err.name}
            print(json.dumps(asked), file=self._process.stdin, flush=True)
            if not select.select([self._process.stdout], [], [], LIMIT_S)[0]:
                self._process.kill()
                raise subprocess.TimeoutExpired(words, LIMIT_S)
            status = int(self._process.stdout.readline())
            return subprocess.CompletedProcess(words, status, out.read(), err.read())

    def close(self) -> None:
        self._process.communicate(timeout=LIMIT_S)


@cache
def warm_command() -> WarmCommand:
    """Return the one of this test run's process, started when it is first asked for."""
    return WarmCommand()


def rustkernel(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, which has imported what it needs already."""
    return warm_command().run(folder, words, os.environ | environment)


def started(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user's shell starts it, where what happens at the start matters."""
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
def running(folder: Path, *words: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command, go on once its launches have been asked for, and leave no process behind."""
    with subprocess.Popen(
        [COMMAND, *words],
        cwd=folder,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("running ")
            yield process
        finally:
            process.kill()


class OnTerminal:
    """The command with its stderr on a terminal, and stdout in a pipe."""

    def __init__(self, folder: Path, *words: str, **environment: str) -> None:
        self.seen = ""
        self._master, terminal = os.openpty()
        plain: dict[str, Any] = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
        self.process = subprocess.Popen(
            [COMMAND, *words],
            cwd=folder,
            env=plain | {"TERM": "xterm-256color", "COLUMNS": "100"} | environment,
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
        )
        os.close(terminal)

    def __enter__(self) -> "OnTerminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate(timeout=LIMIT_S)
        os.close(self._master)

    def read_until(self, wanted: str) -> None:
        """Read what the terminal shows until `wanted` is among it."""
        while wanted not in self.seen and self._read():
            pass
        assert wanted in self.seen

    def finish(self) -> str:
        """Read to the end; return what was written to stdout."""
        while self._read():
            pass
        out, _ = self.process.communicate(timeout=LIMIT_S)
        return out

    def _read(self) -> bool:
        try:
            read = os.read(self._master, 65536)
        except OSError:  # Linux's end of a terminal whose other side is closed
            return False
        self.seen += read.decode(errors="replace")
        return bool(read)
