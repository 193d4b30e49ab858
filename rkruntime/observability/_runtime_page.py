"""The parts of a scrape that are read from the runtime's own counters, and cost it nothing between scrapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import rkruntime
from rkruntime.actors import ActorInfo
from rkruntime.errors import NotRunning
from rkruntime.memory import ClassStats, KernelMemoryManager, PressureLevel
from rkruntime.observability._exposition import Page, sample_line
from rkruntime.runtime import Runtime, State

__all__ = ("MOST_ACTORS", "write_actors", "write_device", "write_memory")

MOST_ACTORS = 1000
"""Actors that have samples of their own, the busiest; all are counted."""

ACTOR_FAMILIES = (
    "rkruntime_actor_messages",
    "rkruntime_actor_restarts",
    "rkruntime_actor_memory_bytes",
    "rkruntime_mailbox_depth",
)
MEMORY_KINDS = ("limit", "reserved", "allocated", "requested", "cached", "quarantined", "peak")


def write_device(page: Page, runtime: Runtime) -> None:
    """Write what runs here, its state, and how its last health check ended."""
    try:
        properties = runtime.device.properties
        page.family("rkruntime", [((rkruntime.__version__, properties.kind, properties.name), 1)])
    except NotRunning:  # not yet, or not any more
        page.family("rkruntime", [((rkruntime.__version__, "", ""), 1)])
    page.family("rkruntime_state", [((state.value,), int(state is runtime.state)) for state in State])
    page.family("rkruntime_health_check", [((check.name,), int(check.ok)) for check in runtime.health.checks])


def write_actors(page: Page, each_actor: Iterable[ActorInfo]) -> None:
    """Write the actors: totals, and the busiest by name."""
    actors = listed = list(page.slowly(each_actor))
    if len(actors) > MOST_ACTORS:
        listed = sorted(actors, key=lambda actor: (-actor.in_flight, -actor.messages, actor.name))[:MOST_ACTORS]
    page.family("rkruntime_actors", [((), len(actors))])
    page.family("rkruntime_actors_unlisted", [((), len(actors) - len(listed))])
    lines = [_lines_of(actor) for actor in page.slowly(listed)]
    for place, family in enumerate(ACTOR_FAMILIES):
        page.lines(family, [b"".join([each[place] for each in lines])])
    page.family("rkruntime_messages_in_flight", [((), sum(actor.in_flight for actor in actors))])


def _lines_of(actor: ActorInfo) -> tuple[bytes, ...]:
    return _actor_lines(actor.name, actor.messages, actor.restarts, actor.memory_bytes, actor.mailbox_depth)


@lru_cache(4 * MOST_ACTORS)
def _actor_lines(name: str, *numbers: int) -> tuple[bytes, ...]:
    """Return an actor's lines; kept from scrape to scrape while its numbers are the same, as of most they are."""
    told = zip(ACTOR_FAMILIES, numbers, strict=True)
    return tuple([sample_line(family, (name,), number) for family, number in told])


def write_memory(page: Page, memory: KernelMemoryManager) -> None:
    """Write the memory: totals, classes, staging, pressure."""
    stats = memory.stats()
    page.family("rkruntime_memory_bytes", [((kind,), int(getattr(stats, f"{kind}_bytes"))) for kind in MEMORY_KINDS])
    page.family("rkruntime_memory_buffers", [((), stats.live_buffers)])
    page.family("rkruntime_memory_device_allocations", [((), stats.device_allocations)])
    page.family("rkruntime_memory_class_bytes", _class_rows(stats.classes, ("allocated", "reserved"), "_bytes"))
    page.family("rkruntime_memory_class_blocks", _class_rows(stats.classes, ("live", "idle", "quarantined"), ""))
    staging = {kind: int(getattr(stats, f"staging_{kind}_bytes")) for kind in ("limit", "reserved", "used")}
    page.family("rkruntime_staging_bytes", [((kind,), size_bytes) for kind, size_bytes in staging.items()])
    page.family("rkruntime_memory_pressure", [((str(each),), int(each is stats.level)) for each in PressureLevel])


def _class_rows(classes: Sequence[ClassStats], kinds: Sequence[str], suffix: str) -> list[tuple[tuple[str, str], int]]:
    return [((str(row.block_bytes), kind), getattr(row, f"{kind}{suffix}")) for row in classes for kind in kinds]
