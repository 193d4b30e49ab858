"""What the command costs: its help beside importing click, validating beside its help, asking a live runtime for its
status beside starting the interpreter, and loading within a process.

Processes are started in turns, so that a busy machine slows both sides; ratios and differences are of the same round.
Each is timed by the wall clock, which is what people wait for, and by the CPU time of its process.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from figures import Figure, tell

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
Spent = tuple[float, float]
"""Milliseconds on the wall, and of CPU."""


def children_ms() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1e3


def timed(*words: str) -> Spent:
    before_ms, began = children_ms(), time.perf_counter()
    subprocess.run(words, env=ENVIRON, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1e3, children_ms() - before_ms


def rounds(*commands: tuple[str, ...]) -> list[list[Spent]]:
    """Run the commands in turns; a list of the rounds for each command."""
    taken = [[timed(*words) for words in commands] for _ in range(ROUNDS + 2)]
    return [list(one) for one in zip(*taken[2:], strict=True)]  # by now files are in memory, and byte code is written


def beside(name: str, ours: list[Spent], base: list[Spent], target: str, *, unit: str) -> list[Figure]:
    """Sum up a ratio or a difference by both clocks."""
    told = []
    for clock, quiet in ((0, True), (1, False)):
        pairs = [(mine[clock], its[clock]) for mine, its in zip(ours, base, strict=True)]
        values = [mine / its if unit == "x" else mine - its for mine, its in pairs]
        named = name if quiet else "likewise, CPU time"
        told.append(Figure.of(named, values, unit=unit, target=target, quiet=quiet))
    return told


def measure_processes(file: str) -> list[Figure]:
    click, help_, validate = rounds(
        (sys.executable, "-c", "import click"), (COMMAND, "--help"), (COMMAND, "config", "validate", file)
    )
    return [
        *beside("--help / import click", help_, click, "<= 1.6", unit="x"),
        *beside("config validate of a full file - --help", validate, help_, "<= 150", unit="ms"),
    ]


def measure_status(folder: str) -> list[Figure]:
    """Ask a runtime that serves and has little to do; beside the bare interpreter, in turns."""
    with live(folder):
        bare, status, as_json = rounds(
            (sys.executable, "-c", "pass"), (COMMAND, "runtime", "status"), (COMMAND, "runtime", "status", "--json")
        )
    return [
        *beside("runtime status of a live instance - python -c pass", status, bare, "<= 10", unit="ms"),
        *beside("runtime status --json - python -c pass", as_json, bare, "<= 10", unit="ms"),
    ]


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


def measure_loading(file: str) -> Figure:
    machine, took = Machine.here(), []
    for _ in range(LOADS + 20):
        began = time.process_time()
        loaded = load_config(file, environ=ENVIRON)
        check_config(loaded.config, machine, loaded.origins)
        took.append((time.process_time() - began) * 1e3)
    return Figure.of("loading and checking a full file in process", took[20:], unit="ms", target="<= 5")


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "config.toml")
        write_file(file, to_toml(ProductionConfig.production()))
        return [*measure_processes(file), *measure_status(folder), measure_loading(file)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    tell("what the command costs", measure(), options.json)


if __name__ == "__main__":
    main()
