"""How every benchmark tells what it measured: figures with their targets, as lines for people and as JSON.

    figure = Figure.of("ask, one caller / raw channel pair", ratios, target="<= 1.2")
    tell("what an ask costs", [figure], options.json)

A figure is reached where its median is; one that must not differ from 1 is reached where its interval holds 1 or less.
Times of work on one thread that never waits are CPU times, so that other programs do not count; whatever has several
threads or waits is timed by the wall clock, and says that it needs a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ("Figure", "in_turns", "measure_cases", "tell")


@dataclass(frozen=True)
class Figure:
    """One figure: its median, the interval that holds 95 % of its rounds, and what was asked for.

    Args:
        name: What was measured, and beside what.
        value: The median.
        low: 2.5 % of the rounds lie below.
        high: 2.5 % of the rounds lie above.
        unit: `x` for a ratio.
        target: `<= 1.2`, `>= 1.3`, or `no more than 1`, judged by `low` to the two digits shown; nothing where none was
            asked for.
        quiet: It was taken by the wall clock, and means little on a machine that others use.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str = "x"
    target: str = ""
    quiet: bool = False

    @classmethod
    def of(
        cls, name: str, values: Sequence[float], *, unit: str = "x", target: str = "", quiet: bool = False
    ) -> Figure:
        """Sum up one value a round."""
        low, high = np.quantile(values, [0.025, 0.975])
        return cls(name, statistics.median(values), float(low), float(high), unit, target, quiet)

    @property
    def reached(self) -> bool | None:
        """Whether it is what was asked for; None where nothing was."""
        if not self.target:
            return None
        if self.target == "no more than 1":
            return round(self.low, 2) <= 1.0
        relation, bound = self.target.split()
        return self.value <= float(bound) if relation == "<=" else self.value >= float(bound)

    def __str__(self) -> str:
        digits = 2 if self.high < 100 else 0
        shown = f"{self.value:,.{digits}f} {self.unit} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"
        verdict = {None: "", True: "reached", False: "NOT REACHED"}[self.reached]
        return f"{self.name:72s} {shown:34s} {self.target:16s} {verdict}{'  [quiet machine]' if self.quiet else ''}"


def tell(title: str, figures: Sequence[Figure], path: str | None, **more: Any) -> None:
    """Print the figures, and write them to `path` with what else there is and the machine they were taken on."""
    load = os.getloadavg()[0]
    print(f"{title}; {os.cpu_count()} CPUs, load {load:.1f}")
    for figure in figures:
        print(f"  {figure}")
    if path:
        machine = {"cpus": os.cpu_count(), "load": load, "python": platform.python_version(), "os": platform.platform()}
        rows = [asdict(figure) | {"reached": figure.reached} for figure in figures]
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"title": title, "machine": machine, "figures": rows, **more}, file, indent=1)


def in_turns(one: Callable[[], object], other: Callable[[], object], rounds: int) -> list[float]:
    """Return the processor time of one call over another's, a value for each round.

    Both are called twice in each, of which the faster counts; a round before the first, in which caches fill, does not.
    """

    def seconds(call: Callable[[], object]) -> float:
        started = time.process_time()
        call()
        return time.process_time() - started

    pairs = [[min(seconds(call) for _ in range(2)) for call in (one, other)] for _ in range(rounds + 1)]
    return [mine / theirs for mine, theirs in pairs[1:]]


def measure_cases(
    title: str,
    doc: str | None,
    cases: Callable[[int], Iterable[tuple[str, Any]]],
    measure: Callable[[str, Any, int], Figure | None],
) -> None:
    """Be the program that measures some cases, or those that it is asked for, one figure each.

    Args:
        title: What is measured.
        doc: What its help says.
        cases: Returns the name of each case and what makes it, for data smaller by a factor.
        measure: Returns the figure of a case by that name, what makes it and the rounds; None for one that has none.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", default="", metavar="NAMES", help="cases, with commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that all works")
    options = parser.parse_args()
    wanted = [name for name in options.only.split(",") if name]
    figures = []
    for name, make in cases(40 if options.quick else 1):
        if not wanted or name.partition(",")[0] in wanted:
            figure = measure(name, make, options.rounds)
            print(figure or f"{name}: left out", file=sys.stderr, flush=True)
            figures += [figure] if figure else []
    tell(title, figures, options.json)
