"""How every benchmark tells what it measured: figures with their targets, as lines for people and as JSON.

    figure = Figure.of("ask, one caller / raw channel pair", ratios, target="<= 1.2")
    tell("what an ask costs", [figure], options.json)

A figure is reached where its median is; one that must not differ from 1 is reached where its interval holds 1 or less.
Times of work on one thread that never waits are CPU times, so that other programs do not count; whatever has several
threads or waits is timed by the wall clock, and says that it needs a quiet machine.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ("Figure", "tell")


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
