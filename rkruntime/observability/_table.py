"""Every metric, spelled once: its name, kind, labels, unit and what it says. `docs/metrics.md` is written from here."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ("BOUNDS_S", "TABLE", "Metric")

BOUNDS_S = (
    1e-5,
    2.5e-5,
    5e-5,
    1e-4,
    2.5e-4,
    5e-4,
    1e-3,
    2.5e-3,
    5e-3,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    10.0,
)
"""Upper bounds of the buckets of every histogram, in seconds."""


@attrs.frozen
class Metric:
    """One family of samples, as OpenMetrics defines it.

    Args:
        name: Its name; samples of a counter end in `_total`, of an info in `_info`.
        kind: `counter`, `gauge`, `histogram` or `info`.
        labels: What its samples are told apart by, besides a histogram's `le`.
        help: What it says.
        unit: `seconds` or `bytes`, with which the name then ends.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str
    unit: str = ""


_ROWS = (
    Metric("rkruntime", "info", ("version", "device_kind", "device"), "What runs here."),
    Metric("rkruntime_state", "gauge", ("state",), "1 for the state of the lifecycle, 0 for all others."),
    Metric("rkruntime_transitions", "counter", ("state",), "How often each state was entered."),
    Metric("rkruntime_health_check", "gauge", ("part",), "1 where the last health check found the part well, else 0."),
    Metric("rkruntime_drain_seconds", "gauge", (), "How long the drain has lasted; 0 before it.", "seconds"),
    Metric("rkruntime_drain_messages", "gauge", ("outcome",), "How what was in flight ended, once the drain is over."),
    Metric("rkruntime_actors", "gauge", (), "Live actors."),
    Metric("rkruntime_actors_unlisted", "gauge", (), "Live actors beyond the 1,000 busiest, which alone have samples."),
    Metric("rkruntime_actor_events", "counter", ("event",), "Turns in actors' lives: started, crashed, restarted, ..."),
    Metric("rkruntime_actor_messages", "counter", ("actor",), "Messages that ended, in whatever way."),
    Metric("rkruntime_actor_restarts", "counter", ("actor",), "Restarts after a crash."),
    Metric("rkruntime_actor_memory_bytes", "gauge", ("actor",), "Device memory that the actor holds.", "bytes"),
    Metric("rkruntime_mailbox_depth", "gauge", ("actor",), "Messages that wait for the actor."),
    Metric("rkruntime_messages_in_flight", "gauge", (), "Messages that wait or run, at all actors."),
    Metric("rkruntime_messages", "counter", ("outcome",), "Messages that ended: completed, failed or cancelled."),
    Metric("rkruntime_message_wait_seconds", "histogram", (), "From a message's acceptance to its handler.", "seconds"),
    Metric("rkruntime_message_run_seconds", "histogram", (), "How long handlers ran.", "seconds"),
    Metric("rkruntime_launches", "counter", ("kernel", "outcome"), "Launches: completed, failed or cancelled."),
    Metric("rkruntime_launch_seconds", "histogram", ("kernel",), "From a launch's call to its return.", "seconds"),
    Metric(
        "rkruntime_launch_stage_seconds",
        "counter",
        ("kernel", "stage"),
        "Where launches' time went: compile, copy_in, queue (for the device), device, copy_out.",
        "seconds",
    ),
    Metric("rkruntime_launch_queue_seconds", "histogram", (), "How long launches waited for the device.", "seconds"),
    Metric("rkruntime_memory_bytes", "gauge", ("kind",), "Device memory, as `memory.stats()` tells it.", "bytes"),
    Metric("rkruntime_memory_buffers", "gauge", (), "Buffers not freed."),
    Metric("rkruntime_memory_device_allocations", "counter", (), "How often the device itself was asked for memory."),
    Metric("rkruntime_memory_class_bytes", "gauge", ("block_bytes", "kind"), "Memory by size class.", "bytes"),
    Metric("rkruntime_memory_class_blocks", "gauge", ("block_bytes", "state"), "Blocks by size class: live, idle, ..."),
    Metric("rkruntime_staging_bytes", "gauge", ("kind",), "Host memory for copies: limit, reserved, used.", "bytes"),
    Metric("rkruntime_memory_pressure", "gauge", ("level",), "1 for the level of memory pressure, 0 for all others."),
    Metric("rkruntime_memory_pressure_changes", "counter", ("level",), "How often each level was entered."),
    Metric("rkruntime_http_requests", "counter", ("route", "method", "status"), "Requests answered."),
    Metric("rkruntime_http_request_seconds", "histogram", ("route",), "How long requests took.", "seconds"),
    Metric("rkruntime_http_requests_in_flight", "gauge", (), "Requests that are being served."),
    Metric("rkruntime_dropped", "counter", ("what",), "Spans and trace events that could not be written in time."),
)

TABLE: Mapping[str, Metric] = {metric.name: metric for metric in _ROWS}
"""Every metric by name, in the order in which they are served."""
