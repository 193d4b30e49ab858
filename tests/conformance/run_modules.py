"""Run modules of numba-cuda's own tests, each in a process of its own, two at a time.

    python run_modules.py MODE FOLDER [MODULE ...]

Writes FOLDER/MODE/MODULE.json for each. MODE is `dropin`, `compiled` (the same once more: kernels are on disk from the
run before) or `simulator`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.util import find_spec
from pathlib import Path
from typing import Any

RUN_TESTS = Path(__file__).with_name("run_tests.py")
LIMIT_S = 900  # of a module, against hanging
AT_A_TIME = 2
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


def run_module(mode: str, module: str, kernels: Path | None = None) -> dict[str, Any]:
    """Run one module; a test that ends the process, or does not end, is told so, and the others run without it.

    Args:
        mode: `dropin`, `compiled` or `simulator`.
        module: Its name.
        kernels: Where compiled kernels are kept; None for the usual place.
    """
    began = time.perf_counter()
    outcomes: dict[str, dict[str, str]] = {}
    trouble = ""
    while True:
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder, "results")
            results.touch()
            trouble = _run_once(mode, module, results, sorted(outcomes), kernels)
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
    return {"module": module, "seconds": time.perf_counter() - began, "tests": list(outcomes.values())}


def _run_once(mode: str, module: str, results: Path, done: list[str], kernels: Path | None) -> str:
    """Run what is not done; return what went wrong with the process itself."""
    command = [sys.executable, str(RUN_TESTS), module, str(results), *done]
    environment = {**os.environ, **_environment(mode, results.parent, kernels)}
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, timeout=LIMIT_S, env=environment, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return f"did not end within {LIMIT_S} s"
    if ended.returncode < 0:
        return f"the process was ended by signal {-ended.returncode}"
    if ended.returncode:
        return f"the process ended with code {ended.returncode}: {ended.stderr.strip().splitlines()[-1:]}"
    return ""


def _environment(mode: str, folder: Path, kernels: Path | None) -> dict[str, str]:
    """Return what puts a process in this mode, and every Python that it starts."""
    # numba-cuda is installed with its bytecode; this package's is to be kept too.
    found = {"PYTHONDONTWRITEBYTECODE": ""}
    if mode == "simulator":
        return found | {"NUMBA_ENABLE_CUDASIM": "1"}
    (folder / "sitecustomize.py").write_text(SITE)
    paths = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH", ""))))
    if kernels is not None:
        found["RKRUNTIME_CACHE_DIR"] = str(kernels.absolute())
    return found | {"NUMBA_ENABLE_CUDASIM": "0", "PYTHONPATH": paths}


def run_all(mode: str, folder: Path, modules: list[str]) -> None:
    """Run modules and write down what became of each."""
    target, kernels = folder / mode, folder / "kernels"
    target.mkdir(parents=True, exist_ok=True)
    if mode == "dropin":
        shutil.rmtree(kernels, ignore_errors=True)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        running = [pool.submit(run_module, mode, module, kernels) for module in modules]
        for future in as_completed(running):
            one = future.result()
            (target / f"{one['module']}.json").write_text(json.dumps(one, indent=1))
            counts = Counter(test["outcome"] for test in one["tests"])
            print(f"{one['module']:70} {one['seconds']:6.1f} s  {dict(counts)}", flush=True)


if __name__ == "__main__":
    run_all(sys.argv[1], Path(sys.argv[2]), sys.argv[3:] or test_modules())
