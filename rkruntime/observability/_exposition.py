"""Text that Prometheus reads: OpenMetrics 1.0, or the older text format 0.0.4, which has no exemplars.

Sources: https://prometheus.io/docs/specs/om/open_metrics_spec/ and
https://prometheus.io/docs/instrumenting/exposition_formats/. Written by hand and not by prometheus-client, whose
exposition costs about 10 us a sample: a thousand kernels have thirty thousand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import TypeVar

from rkruntime.observability._histogram import Histogram
from rkruntime.observability._table import BOUNDS_S, TABLE, Metric

__all__ = (
    "OF_A_BLOCK",
    "OPENMETRICS",
    "TEXT",
    "Page",
    "histogram_lines",
    "sample_line",
    "stack_lines",
    "wants_openmetrics",
)

Row = TypeVar("Row")

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def wants_openmetrics(accept: str) -> bool:
    """Whether a request's `Accept` header names OpenMetrics; who names nothing gets the older format."""
    return "application/openmetrics-text" in accept


MOST_KEPT = 32_768
"""Beginnings of lines that are kept from scrape to scrape: those of a thousand kernels and a thousand actors."""

OF_A_BLOCK = 16
"""Kernels, or actors, whose lines are kept as one piece while none of their numbers changes.

Putting the lines of a thousand kernels together takes a page 1.1 ms, and every request that meets it waits.
"""

GIVE_WAY_EACH_S, GIVE_WAY_S = 2e-4, 5e-5
"""A page lets other threads run for a moment five times in a millisecond: they would wait 5 ms for the interpreter."""

PATIENCE_S, LOOK_AGAIN_S = 8e-3, 1e-4
"""A page that may wait for requests to be answered waits so long altogether, and looks so often."""


class Page:
    """One answer to a scrape, written family by family.

    Args:
        openmetrics: Write OpenMetrics, with exemplars; else the older text format.
        busy: Whether there are requests that this page should not keep waiting.
    """

    def __init__(self, openmetrics: bool, busy: Callable[[], bool] = lambda: False) -> None:
        self.openmetrics = openmetrics
        self._busy = busy
        self._pieces: list[bytes] = []
        self._gave_way_s = time.perf_counter()
        self._patience_s = PATIENCE_S

    def family(self, name: str, rows: Iterable[tuple[tuple[str, ...], float]]) -> None:
        """Write a family of counters, gauges or infos: the labels' values, and the value, of each sample."""
        self.lines(name, [sample_line(name, values, value) for values, value in self.slowly(rows)])

    def histograms(self, name: str, rows: Iterable[tuple[tuple[str, ...], Histogram]]) -> None:
        """Write a family of histograms: the labels' values, and the histogram, of each."""
        self.lines(name, [histogram_lines(name, *row, openmetrics=self.openmetrics) for row in self.slowly(rows)])

    def lines(self, name: str, lines: Iterable[bytes]) -> None:
        """Write a family of which the lines are there."""
        self._pieces.append(_head(name, self.openmetrics))
        self._pieces += lines

    def slowly(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield what is written one by one, and let other threads run in between where they have waited."""
        for row in rows:
            if time.perf_counter() - self._gave_way_s > GIVE_WAY_EACH_S:
                time.sleep(GIVE_WAY_S)
                self._stand_by()
            yield row

    def end(self) -> list[bytes]:
        """Return the page's pieces."""
        if self.openmetrics:
            self._pieces.append(b"# EOF\n")
        self._stand_by()  # two megabytes may be sent next
        return self._pieces

    def _stand_by(self) -> None:
        while self._patience_s > 0 and self._busy():
            time.sleep(LOOK_AGAIN_S)
            self._patience_s -= LOOK_AGAIN_S
        self._gave_way_s = time.perf_counter()


@lru_cache
def _head(name: str, openmetrics: bool) -> bytes:
    """Return what stands before a family's lines."""
    metric = TABLE[name]
    kind = metric.kind
    if not openmetrics:
        name, kind = (_sample_name(metric), "gauge" if kind == "info" else kind)
    head = f"# HELP {name} {metric.help}\n# TYPE {name} {kind}\n"
    if openmetrics and metric.unit:
        head += f"# UNIT {name} {metric.unit}\n"
    return head.encode()


def sample_line(name: str, values: tuple[str, ...], value: float) -> bytes:
    """Return the line of a sample: its labels' values, and its own."""
    return f"{_sample(name, values)} {value!r}\n".encode()


def stack_lines(name: str, value: str, over: tuple[str, ...], numbers: Iterable[float]) -> bytes:
    """Return the lines of a family of two labels: the first's value, and a number for each value of the second."""
    return (_stack(name, value, over) % (*numbers,)).encode()


def histogram_lines(name: str, values: tuple[str, ...], histogram: Histogram, *, openmetrics: bool) -> bytes:
    """Return the lines of a histogram: its labels' values, its numbers, and in OpenMetrics its exemplars."""
    told: list[object] = [*accumulate(histogram.counts[:])]
    count = told[-1]
    if openmetrics and histogram.exemplars:
        for bucket, exemplar in tuple(histogram.exemplars.items()):
            told[bucket] = f"{told[bucket]}{exemplar}"
    return (_histogram(name, values) % (*told, count, histogram.sum_s)).encode()


def _sample_name(metric: Metric) -> str:
    return metric.name + {"counter": "_total", "info": "_info"}.get(metric.kind, "")


def _labels(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    return "{" + ",".join([f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True)]) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


@lru_cache(MOST_KEPT)
def _sample(name: str, values: tuple[str, ...]) -> str:
    """Return what stands before a sample's value; kept from scrape to scrape."""
    metric = TABLE[name]
    return _sample_name(metric) + _labels(metric.labels, values)


@lru_cache(MOST_KEPT)
def _stack(name: str, value: str, over: tuple[str, ...]) -> str:
    """Return the lines of one value of a family's first label, with places for numbers; kept from scrape to scrape."""
    return "".join([_sample(name, (value, each)).replace("%", "%%") + " %r\n" for each in over])


@lru_cache(MOST_KEPT)
def _histogram(name: str, values: tuple[str, ...]) -> str:
    """Return a histogram's lines with places for its numbers and exemplars; kept from scrape to scrape.

    The places are `%s`, which takes half as long as `%d` to fill in.
    """
    labels = _labels(TABLE[name].labels, values).replace("%", "%%")
    inside = f"{labels[1:-1]}," if labels else ""
    lines = [f'{name}_bucket{{{inside}le="{bound}"}} %s\n' for bound in (*map(repr, BOUNDS_S), "+Inf")]
    return "".join([*lines, f"{name}_count{labels} %s\n{name}_sum{labels} %s\n"])
