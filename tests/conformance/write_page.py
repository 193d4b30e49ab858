"""Write docs/conformance.md from what `run_modules.py` found.

python write_page.py FOLDER
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
PREFIX = "numba.cuda.tests."
OUTCOMES = ("pass", "skip", "fail", "expected failure", "unexpected success")
Results = dict[str, dict[str, Any]]
Tests = dict[str, dict[str, Any]]


def load(folder: Path) -> Results:
    found = {}
    for file in sorted(folder.glob("*.json")):
        one = json.loads(file.read_text())
        found[one["module"].removeprefix(PREFIX)] = {
            "seconds": one["seconds"],
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


def page(here: Results, again: Results, there: Results) -> Iterator[str]:
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
    yield f"{times(kept, ours, outcomes(again), theirs)}\n"
    yield "## Pass under the simulator, and not here\n"
    yield from by_reason({name: ours.get(name, {"outcome": "skip", "reason": "it was not run"}) for name in lost})
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


def times(kept: Iterable[str], ours: Tests, again: Tests, theirs: Tests) -> str:
    """Say how long the tests took that pass in both modes."""
    names = [name for name in kept if name in again]
    first_s, again_s, simulator_s = (sum(side[name]["seconds"] for name in names) for side in (ours, again, theirs))
    sooner = sum(again[name]["seconds"] <= theirs[name]["seconds"] for name in names)
    return (
        f"- {len(names):,} that pass in both take {first_s:,.0f} s of processor time here at first, "
        f"{again_s:,.0f} s when kernels are on disk from the run before, and {simulator_s:,.0f} s under the simulator; "
        f"{sooner:,} of them then take no more here. Python's start and the imports are not counted, but for those of "
        "the compiler, which the first kernel of each module brings."
    )


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
    PAGE.write_text("\n".join(page(*(load(results / mode) for mode in ("dropin", "compiled", "simulator")))) + "\n")
