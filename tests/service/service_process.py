"""`rustkernel serve` as users run it: a process of its own that listens on a free port of loopback."""

import json
import os
import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

COMMAND = str(Path(sys.executable).with_name("rustkernel"))
LIMIT_S = 120  # against hanging; nothing is measured

KERNELS = """\
import numpy as np
from numba import cuda


@cuda.jit
def double(x, out):
    \"\"\"Set out = 2 x.\"\"\"
    i = cuda.grid(1)
    if i < x.size:
        out[i] = 2 * x[i]


@cuda.jit("void(float32[:], float32[:])")
def typed(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = x[i]


@cuda.jit
def bump(x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] += 1


@cuda.jit
def divide(a, x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] = 10 // (a - i)


@cuda.jit
def spin(x, turns):
    total = 0.0
    for k in range(turns):
        total = total * 0.5 + k
    i = cuda.grid(1)
    if i < x.size:
        x[i] = total
"""


class ServiceProcess:
    """A running service.

    Args:
        process: Its process.
        url: Where it listens.
        client: A client of it.
    """

    def __init__(self, process: subprocess.Popen[str], url: str, client: httpx.Client) -> None:
        self.process = process
        self.url = url
        self.client = client
        self.lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.reader: threading.Thread

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    @contextmanager
    def spinning(self) -> Iterator[None]:
        """Keep one launch in flight that ends when it is cancelled; wait for its answer at the end."""

        def launch() -> None:
            body = {"args": {"x": [0.0], "turns": 10**15}, "over": 1}
            httpx.post(f"{self.url}/v1/kernels/spin/launch", json=body, timeout=LIMIT_S)

        thread = threading.Thread(target=launch)
        thread.start()
        try:
            yield
        finally:
            thread.join(LIMIT_S)

    def end(self) -> int:
        """Wait for its end, and return its exit status."""
        return self.process.wait(timeout=LIMIT_S)

    def told(self) -> str:
        """Return what it has written to stderr since the last time."""
        text = ""
        while not self.lines.empty():
            text += self.lines.get()
        return text

    def logged(self) -> list[dict[str, Any]]:
        """Return what it has logged in JSON since the last time, once it has ended."""
        self.reader.join(LIMIT_S)
        return [json.loads(line) for line in self.told().splitlines() if line.startswith("{")]


@contextmanager
def serving(folder: Path, *words: str, config: str = "", **environment: str) -> Iterator[ServiceProcess]:
    """Serve the kernels above, and leave no process behind."""
    kernels = folder / "kernels"
    kernels.mkdir(exist_ok=True)
    (kernels / "served.py").write_text(KERNELS)
    (folder / "service.toml").write_text(config)
    command = [COMMAND, "serve", "--config", "service.toml", "--kernels", "kernels", "--port", "0", "--device", "cpu"]
    with subprocess.Popen(
        [*command, *words],
        cwd=folder,
        env=os.environ | {"XDG_RUNTIME_DIR": str(folder)} | environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr is not None
            url = _read_url(process)
            with httpx.Client(base_url=url, timeout=LIMIT_S) as client:
                service = ServiceProcess(process, url, client)
                service.reader = threading.Thread(target=_drain_pipe, args=(process.stderr, service.lines), daemon=True)
                service.reader.start()
                yield service
        finally:
            process.kill()


def _read_url(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    seen = ""
    for line in process.stderr:
        seen += line
        match = re.search(r"^serving .* at (http://\S+)", line)
        if match:
            return match[1]
    raise AssertionError(f"it did not come to serve:\n{seen}")


def _drain_pipe(pipe: Iterator[str], lines: "queue.SimpleQueue[str]") -> None:
    for line in pipe:
        lines.put(line)
