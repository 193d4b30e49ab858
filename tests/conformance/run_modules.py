"""Run modules of numba-cuda's own tests, each run in a process of its own.

    python run_modules.py [-j MODULES_AT_A_TIME] FOLDER [MODULE ...]

What is compared is run one after the other for each module, so that a busy machine slows all of it alike. Writes
FOLDER/RUN/MODULE.json for each of the runs:

- `simulator`: the whole module under numba-cuda's simulator;
- `first`: in drop-in mode, the tests alone that have just passed under the simulator; kernels are compiled;
- `again`: the same tests once more; kernels are on disk now;
- `whole`: the whole module in drop-in mode; kernels of the other tests are compiled.

Each says how busy the machine was, and FOLDER/machine.json which one it was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path
from typing import Any

RUN_TESTS = Path(__file__).with_name("run_tests.py")
RUNS = ("simulator", "first", "again", "whole")
LIMIT_S = 3600  # of a run, against hanging
SITE = """\
import sys

if not any("cuda.pathfinder" in word for word in sys.orig_argv):  # it starts a Python to look for libraries
    import rkruntime.dropin

    rkruntime.dropin.install()
"""


def test_modules() -> list[str]:
    """Name numba-cuda's test modules; those that measure times are left out."""
    spec = find_spec("numba_cuda")
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent / "numba"
    files = sorted(root.glob("cuda/tests/**/test_*.py"))
    names = [".".join(("numba", *file.relative_to(root).with_suffix("").parts)) for file in files]
    return [name for name in names if ".benchmarks." not in name]


def run_module(
    module: str, *, simulator: bool = False, kernels: Path | None = None, only: Collection[str] = ()
) -> dict[str, Any]:
    """Run one module; a test that ends the process, or does not end, is told so, and the others run without it.

    Args:
        module: Its name.
        simulator: Whether numba-cuda's simulator runs it.
        kernels: Where compiled kernels are kept; None for the usual place.
        only: Names of the tests to run; all by default.
    """
    began = time.perf_counter()
    outcomes: dict[str, dict[str, Any]] = {}
    trouble, processor_s = "", 0.0
    while True:
        with tempfile.TemporaryDirectory() as folder:
            results, chosen = Path(folder, "results"), Path(folder, "chosen")
            results.touch()
            chosen.write_text(json.dumps({"only": sorted(only), "done": sorted(outcomes)}))
            environment = os.environ | _environment(results.parent, kernels, simulator=simulator)
            trouble, took_s = _run_once([str(RUN_TESTS), module, str(results), str(chosen)], environment)
            processor_s += took_s
            lines = [json.loads(line) for line in results.read_text().splitlines()]
        last_begun = None
        for line in lines:
            last_begun = line["test"]
            known = outcomes.get(line["test"], {"outcome": "begun"})
            if known["outcome"] == "begun" or line["outcome"] == "fail":
                outcomes[line["test"]] = line
        if last_begun is None or not trouble:
            break
        if outcomes[last_begun]["outcome"] == "begun":
            outcomes[last_begun] |= {"outcome": "fail", "reason": trouble}
    if trouble and not outcomes:
        outcome = "skip" if re.search(r"\bSkip(Test|ped): ", trouble) else "fail"  # the module skips itself
        outcomes[module] = {"test": module, "outcome": outcome, "reason": trouble, "detail": ""}
    return {
        "module": module,
        "seconds": time.perf_counter() - began,
        "processor_s": processor_s,
        "load": os.getloadavg()[0],  # threads that ran or waited to, of all processes, in the last minute
        "tests": list(outcomes.values()),
    }


def passed(one: dict[str, Any]) -> list[str]:
    """Name the tests that passed."""
    return [test["test"] for test in one["tests"] if test["outcome"] == "pass"]


def _run_once(command: list[str], environment: dict[str, str]) -> tuple[str, float]:
    """Run what is not done; return what went wrong with the process, and its processor time with its children's."""
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            text=True,
            env=environment,
        )
        timer = threading.Timer(LIMIT_S, process.kill)
        timer.start()
        _, status, used = os.wait4(process.pid, 0)
        late = not timer.is_alive()
        timer.cancel()
        process.returncode = code = os.waitstatus_to_exitcode(status)
        said.seek(0)
        trouble = ""
        if late:
            trouble = f"did not end within {LIMIT_S} s"
        elif code < 0:
            trouble = f"the process was ended by signal {-code}"
        elif code:
            trouble = f"the process ended with code {code}: {said.read().strip().splitlines()[-1:]}"
    return trouble, used.ru_utime + used.ru_stime


def _environment(folder: Path, kernels: Path | None, *, simulator: bool) -> dict[str, str]:
    """Return what puts a process in this mode, and every Python that it starts."""
    # numba-cuda is installed with its bytecode; this package's is to be kept too.
    found = {"PYTHONDONTWRITEBYTECODE": ""}
    if simulator:
        return found | {"NUMBA_ENABLE_CUDASIM": "1"}
    (folder / "sitecustomize.py").write_text(SITE)
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))
    if kernels is not None:
        found["RKRUNTIME_CACHE_DIR"] = str(kernels.absolute())
    return found | {"NUMBA_ENABLE_CUDASIM": "0", "PYTHONPATH": paths}


def machine() -> dict[str, Any]:
    """Return what the machine calls its processor, and how many there are."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {"processor": found[1] if found else platform.machine(), "processors": os.cpu_count()}


def runs_of(module: str, kernels: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Run one module in every way; those with the simulator's tests alone are left out where it passes none."""
    beside = run_module(module, simulator=True)
    yield "simulator", beside
    if only := passed(beside):
        yield "first", run_module(module, kernels=kernels, only=only)
        yield "again", run_module(module, kernels=kernels, only=only)
    yield "whole", run_module(module, kernels=kernels)


def run_all(folder: Path, modules: list[str], at_a_time: int) -> None:
    """Run modules in every way and write down what became of each."""
    kernels = folder / "kernels"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "machine.json").write_text(json.dumps(machine() | {"modules_at_a_time": at_a_time}))
    for run in (*RUNS, kernels.name):
        shutil.rmtree(folder / run, ignore_errors=True)
        (folder / run).mkdir(parents=True)

    def run_one(module: str) -> list[str]:
        lines = []
        for run, one in runs_of(module, kernels):
            (folder / run / f"{module}.json").write_text(json.dumps(one, indent=1))
            counts = Counter(test["outcome"] for test in one["tests"])
            lines.append(f"{module:60} {run:9} {one['processor_s']:6.1f} s  {dict(counts)}")
        return lines

    with ThreadPoolExecutor(at_a_time) as pool:
        for future in as_completed([pool.submit(run_one, module) for module in modules]):
            print(*future.result(), sep="\n", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-j", type=int, default=2, metavar="MODULES_AT_A_TIME")
    parser.add_argument("folder", type=Path)
    parser.add_argument("modules", nargs="*")
    given = parser.parse_args()
    run_all(given.folder, given.modules or test_modules(), given.j)
