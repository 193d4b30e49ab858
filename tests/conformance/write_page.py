"""Write docs/conformance.md from what `run_modules.py` found.

python write_page.py FOLDER
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
PREFIX = "numba.cuda.tests."
OUTCOMES = ("pass", "skip", "fail", "expected failure", "unexpected success")
RUNS = ("simulator", "first", "again", "whole")
SLOWEST = 12
Results = dict[str, dict[str, Any]]
Tests = dict[str, dict[str, Any]]


def load(folder: Path) -> Results:
    found = {}
    for file in sorted(folder.glob("*.json")):
        one = json.loads(file.read_text())
        found[one["module"].removeprefix(PREFIX)] = {
            "processor_s": one["processor_s"],
            "load": one["load"],
            "tests": {test["test"].removeprefix(PREFIX): test for test in one["tests"]},
        }
    return found


def outcomes(results: Results) -> Tests:
    """Return all tests of all modules."""
    return {name: test for one in results.values() for name, test in one["tests"].items()}


def skipped(name: str, tests: dict[str, dict[str, str]]) -> bool:
    """Whether a test is skipped, by itself or with its whole module."""
    module = ".".join(name.split(".")[:2])
    return (tests.get(name) or tests.get(module) or {}).get("outcome") == "skip"


def counts(tests: dict[str, dict[str, str]]) -> list[str]:
    found = Counter(test["outcome"] for test in tests.values())
    return [f"{found[outcome]:,}" for outcome in OUTCOMES]


def reason(text: str) -> str:
    """Make a reason fit for a line of the page: one line, and nothing in it that differs from run to run."""
    text = " ".join(text.split())
    for pattern, general in (
        (r"(?<![\w.])/(?:[^\s'\"/]+/)+", ""),  # folders of the machine
        (r"0x[0-9a-f]{6,}", "0x..."),
        (r"tid=\[[\d, ]+\] ctaid=\[[\d, ]+\]", "in a simulated thread"),
        (r"\S+:\d+: kernel \S+: ", ""),
        (r"a call of \w+, which is linked", "a call of a function that is linked"),
    ):
        text = re.sub(pattern, general, text)
    return text[:200].replace("`", "'").replace("|", "/").replace("<", "(").replace(">", ")")


def page(runs: dict[str, Results], machine: dict[str, Any]) -> Iterator[str]:
    here, there = runs["whole"], runs["simulator"]
    ours, theirs = outcomes(here), outcomes(there)
    lost = {n for n, t in theirs.items() if t["outcome"] == "pass" and ours.get(n, {}).get("outcome") != "pass"}
    won = {n for n, t in ours.items() if t["outcome"] == "pass" and skipped(n, theirs)}
    kept = {n for n, t in theirs.items() if t["outcome"] == "pass"} - lost
    yield "# Conformance\n"
    yield (
        f"numba-cuda {version('numba-cuda')} ships its own tests. This page says what becomes of them in drop-in mode, "
        "beside its simulator. It is written by `make conformance`, which runs each module in a process of its own; "
        "nothing in it is typed.\n"
    )
    yield from table(
        ("", "modules", *OUTCOMES), [("drop-in", len(here), *counts(ours)), ("simulator", len(there), *counts(theirs))]
    )
    yield f"- Of {len(kept) + len(lost):,} tests that pass under the simulator, {len(kept):,} pass here."
    yield f"- Of those that the simulator skips, {len(won):,} run and pass here."
    own = {name for name in lost if is_marked(name, "skip_unless_cudasim")}
    if own:
        yield f"- {len(own)} of the others are tests of the simulator itself, which numba-cuda skips on a GPU, too."
    expected = [name for name in sorted(lost) if ours.get(name, {}).get("outcome") == "unexpected success"]
    if expected:
        yield (
            f"- {len(expected)} more does here what it asks for, which its author expects of the simulator alone: "
            f"{', '.join(f'`{name}`' for name in expected)}."
        )
    yield ""
    yield "## Time\n"
    yield conditions(runs, machine)
    yield from times(kept, runs)
    why = {name: ours.get(name, {"outcome": "skip", "reason": "it was not run"}) for name in lost}
    yield "## Tests of the simulator itself\n"
    yield (
        "numba-cuda marks them `skip_unless_cudasim`: they ask that its simulator does otherwise than a GPU, and are "
        "skipped on a GPU as they are here, with these reasons.\n"
    )
    yield from by_reason({name: test for name, test in why.items() if name in own})
    yield "## Pass under the simulator, and not here\n"
    yield from by_reason({name: test for name, test in why.items() if name not in own})
    yield "## Fail here, and do not pass under the simulator either\n"
    failed = {n: t for n, t in ours.items() if t["outcome"] == "fail" and n not in lost}
    yield "They test what a GPU's compiler makes, or what neither has.\n"
    yield from by_reason(failed)
    yield "## Module by module\n"
    yield "Numbers are passed / skipped / failed.\n"
    rows = []
    for module in sorted(here.keys() | there.keys()):
        mine, other = (side.get(module, {"tests": {}})["tests"] for side in (here, there))
        rows.append((f"`{module}`", short(mine), short(other)))
    yield from table(("module", "drop-in", "simulator"), rows)


def conditions(runs: dict[str, Results], machine: dict[str, Any]) -> str:
    """Say on what machine times were taken, and how busy it was."""
    loads = sorted(one["load"] for run in runs.values() for one in run.values())
    return (
        f"On a machine with {machine['processors']} processors ({machine['processor']}), "
        f"{machine['modules_at_a_time']} modules at a time. Its load was {loads[len(loads) // 2]:.1f} in the median, "
        f"and {loads[-1]:.1f} at most: more than the modules are what else it did.\n"
    )


def times(kept: Iterable[str], runs: dict[str, Results]) -> Iterator[str]:
    """Say how long it took."""
    beside, first, again, whole = (runs[run] for run in RUNS)
    modules = [name for name in beside if name in again and name in first]

    def total(results: Results, names: Iterable[str]) -> float:
        return sum(results[name]["processor_s"] for name in names)

    yield (
        "Seconds of processor time, of whole processes with Python's start and all imports. The runs of a module "
        "follow each other, so that a busy machine slows all of them alike.\n"
    )
    rows = [
        (
            f"the tests alone that pass under the simulator, {len(modules)} modules",
            *(f"{total(one, modules):,.0f}" for one in (beside, again, first)),
        ),
        (f"whole modules, {len(beside)}", f"{total(beside, beside):,.0f}", "", f"{total(whole, beside):,.0f}"),
    ]
    yield from table(("", "simulator", "drop-in, kernels on disk", "drop-in, kernels compiled"), rows)
    theirs, ours, compiled = (outcomes(one) for one in (beside, again, first))
    names = [name for name in kept if name in ours and name in compiled]
    s = [sum(side[name]["seconds"] for name in names) for side in (theirs, ours, compiled)]
    sooner = sum(ours[name]["seconds"] <= theirs[name]["seconds"] for name in names)
    faster = sum(again[name]["processor_s"] <= beside[name]["processor_s"] for name in modules)
    yield (
        f"- Of the {len(modules)} processes with the same tests, {faster} take no more here, with kernels on disk. The "
        "simulator's run loads what it skips, too, which takes it no time."
    )
    yield (
        f"- Without starts and imports, {len(names):,} tests that pass in both take {s[0]:,.0f} s under the simulator, "
        f"{s[1]:,.0f} s here with kernels on disk, and {s[2]:,.0f} s when these are compiled; {sooner:,} of them take "
        "no more here. The imports of the compiler, which the first kernel of a process brings, are counted."
    )
    yield (
        "- Of whole modules, those kernels are compiled that the same tests have not left on disk. They run "
        f"{sum(map(ran, outcomes(whole).values())):,} tests here, and "
        f"{sum(map(ran, theirs.values())):,} under the simulator, which skips the others.\n"
    )
    late = sorted(((again[name]["processor_s"] - beside[name]["processor_s"], name) for name in modules), reverse=True)
    rows = [
        (f"`{name}`", *(f"{one[name]['processor_s']:.1f}" for one in (beside, again, first)), asks(name))
        for _, name in late[:SLOWEST]
    ]
    yield (
        "The modules that take longest here beside the simulator, the same tests. Some ask whether they are simulated: "
        "those take smaller sizes then, or read no PTX.\n"
    )
    yield from table(("module", "simulator", "drop-in, kernels on disk", "drop-in, kernels compiled", "asks"), rows)


@cache
def text_of(module: str) -> str:
    """Return a test module's text."""
    spec = find_spec(PREFIX + module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text()


def asks(module: str) -> str:
    """Say whether a module's tests ask if they are simulated."""
    return "yes" if "config.ENABLE_CUDASIM" in text_of(module) else ""


def is_marked(name: str, mark: str) -> bool:
    """Whether a test or its class has a decorator, by the text of its module."""
    module, owner, method = name.rsplit(".", 2)
    for one in ast.parse(text_of(module)).body:
        if isinstance(one, ast.ClassDef) and one.name == owner:
            methods = [each for each in one.body if isinstance(each, ast.FunctionDef) and each.name == method]
            given = [decorator for each in (one, *methods) for decorator in each.decorator_list]
            names = [each.func if isinstance(each, ast.Call) else each for each in given]
            return any(isinstance(each, ast.Name) and each.id == mark for each in names)
    return False


def ran(test: dict[str, Any]) -> bool:
    """Whether a test did anything."""
    return bool(test["outcome"] != "skip")


def short(tests: dict[str, dict[str, str]]) -> str:
    found = Counter(test["outcome"] for test in tests.values())
    return f"{found['pass']} / {found['skip']} / {found['fail']}"


def by_reason(tests: dict[str, dict[str, str]]) -> Iterator[str]:
    said = {"skip": "skips itself", "unexpected success": "passes, though its author expects it to fail"}
    grouped: dict[str, list[str]] = defaultdict(list)
    for name, test in tests.items():
        grouped[": ".join(filter(None, (said.get(test["outcome"]), reason(test["reason"]))))].append(name)
    if not grouped:
        yield "None.\n"
    for why, names in sorted(grouped.items(), key=lambda item: (-len(item[1]), item[0])):
        yield f"- {len(names)}: `{why}`"
        yield from (f"  - `{name}`" for name in sorted(names))
    yield ""


def table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"
    yield ""


if __name__ == "__main__":
    results = Path(sys.argv[1])
    known = json.loads((results / "machine.json").read_text())
    PAGE.write_text("\n".join(page({run: load(results / run) for run in RUNS}, known)) + "\n")
