"""Write docs/metrics.md from the table of metrics: `python docs/write_metrics.py`."""

from pathlib import Path

from rkruntime.observability._table import BOUNDS_S, TABLE, Metric

PAGE = Path(__file__).parent / "metrics.md"

HEAD = """\
# Metrics

What `GET /metrics` of the service answers, and what `rkruntime.observability.Metrics.render()` returns in a program of
your own; [the guide](guide/observability.md) says how. The page is OpenMetrics 1.0 where the request's `Accept` names
it, with exemplars that name the trace of a launch, a message or a request; else Prometheus' text format 0.0.4. Names
are as in a query: counters end in `_total`, and a histogram has `_bucket`, `_sum` and `_count`.

"""


def row(metric: Metric) -> str:
    """Write one metric's line."""
    suffix = {"counter": "_total", "info": "_info"}.get(metric.kind, "")
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}{suffix}` | {metric.kind} | {labels} | {metric.help} |"


def page() -> str:
    """Write the page."""
    rows = ["| metric | kind | labels | what it says |", "|---|---|---|---|", *map(row, TABLE.values())]
    bounds = ", ".join(f"{bound:g}" for bound in BOUNDS_S)
    return HEAD + "\n".join(rows) + f"\n\nEvery histogram has the upper bounds {bounds} (seconds) and +Inf.\n"


if __name__ == "__main__":
    PAGE.write_text(page())
