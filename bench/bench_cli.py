"""What the command costs: its help beside importing click, validating beside its help, asking a live runtime for its
status beside starting the interpreter, and loading within a process.

Processes are started in turns, so that a busy machine slows both sides; ratios and differences are of the same round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rkruntime.config import Machine, ProductionConfig, check_config, load_config, to_toml, write_file

ROUNDS = 25
LOADS = 200
COMMAND = str(Path(sys.executable).with_name("rustkernel"))
SERVE = """
import rkruntime
from rkruntime import blocking
config = rkruntime.RuntimeConfig(device="cpu", worker_threads=1)
with blocking.open_runtime(config, instance="default"):
    print("running", flush=True)
    input()
"""
ENVIRON = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith("RUSTKERNEL_") and name != "PYTHONDONTWRITEBYTECODE"  # an installed command has byte code
}


def summary(values: Sequence[float]) -> dict[str, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return {"median": statistics.median(values), "low": float(low), "high": float(high)}


def timed(*words: str) -> float:
    began = time.perf_counter()
    subprocess.run(words, env=ENVIRON, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1e3


def measure_processes(file: str) -> dict[str, Any]:
    ratios, beyond = [], []
    for k in range(ROUNDS + 2):
        click = timed(sys.executable, "-c", "import click")
        help_ms = timed(COMMAND, "--help")
        validate = timed(COMMAND, "config", "validate", file)
        if k >= 2:  # files are in memory, and byte code is written
            ratios.append(help_ms / click)
            beyond.append(validate - help_ms)
    return {"--help / import click": summary(ratios), "config validate of a full file - --help, ms": summary(beyond)}


def measure_status(folder: str) -> dict[str, Any]:
    """Ask a runtime that serves and has little to do; beside the bare interpreter, in turns."""
    beyond, json_beyond = [], []
    with live(folder):
        for k in range(ROUNDS + 2):
            bare = timed(sys.executable, "-c", "pass")
            status = timed(COMMAND, "runtime", "status")
            as_json = timed(COMMAND, "runtime", "status", "--json")
            if k >= 2:
                beyond.append(status - bare)
                json_beyond.append(as_json - bare)
    return {
        "runtime status of a live instance - python -c pass, ms": summary(beyond),
        "runtime status --json of a live instance - python -c pass, ms": summary(json_beyond),
    }


@contextmanager
def live(folder: str) -> Iterator[None]:
    """Run a runtime in a process of its own, in a folder for sockets of its own."""
    ENVIRON["XDG_RUNTIME_DIR"] = folder
    command = [sys.executable, "-c", SERVE]
    process = subprocess.Popen(command, env=ENVIRON, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        yield
    finally:
        process.communicate("\n", timeout=60)


def measure_loading(file: str) -> dict[str, float]:
    machine, took = Machine.here(), []
    for k in range(LOADS + 20):
        began = time.perf_counter()
        loaded = load_config(file, environ=ENVIRON)
        check_config(loaded.config, machine, loaded.origins)
        if k >= 20:
            took.append((time.perf_counter() - began) * 1e3)
    return summary(took)


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "config.toml")
        write_file(file, to_toml(ProductionConfig.production()))
        figures = measure_processes(file)
        figures |= measure_status(folder)
        figures["loading and checking a full file in process, ms"] = measure_loading(file)
    return figures


AIMS = ("<= 1.6", "<= 150", "<= 10", "<= 10", "<= 5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    figures = measure()
    for (name, figure), aim in zip(figures.items(), AIMS, strict=True):
        print(f"{name}: {figure['median']:.2f} ({figure['low']:.2f}-{figure['high']:.2f})  aim {aim}")
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
