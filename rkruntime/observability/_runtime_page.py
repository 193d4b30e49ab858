"""The parts of a scrape that are read from the runtime's own counters, and cost it nothing between scrapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import rkruntime
from rkruntime.actors import ActorCounts
from rkruntime.errors import NotRunning
from rkruntime.memory import ClassStats, KernelMemoryManager, PressureLevel
from rkruntime.observability._exposition import OF_A_BLOCK, Page, sample_line
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


def write_actors(page: Page, each_count: Iterable[ActorCounts]) -> None:
    """Write the actors: totals, and the busiest by name."""
    actors = listed = list(page.slowly(each_count))
    if len(actors) > MOST_ACTORS:
        listed = sorted(actors, key=lambda actor: (-actor.in_flight, -actor.messages, actor.actor))[:MOST_ACTORS]
    page.family("rkruntime_actors", [((), len(actors))])
    page.family("rkruntime_actors_unlisted", [((), len(actors) - len(listed))])
    blocks = [tuple(listed[place : place + OF_A_BLOCK]) for place in range(0, len(listed), OF_A_BLOCK)]
    lines = [_lines_of(block) for block in page.slowly(blocks)]
    for place, family in enumerate(ACTOR_FAMILIES):
        page.lines(family, [each[place] for each in lines])
    page.family("rkruntime_messages_in_flight", [((), sum(actor.in_flight for actor in actors))])


@lru_cache(2 * MOST_ACTORS // OF_A_BLOCK)
def _lines_of(actors: tuple[ActorCounts, ...]) -> tuple[bytes, ...]:
    """Return some actors' lines in each family; kept from scrape to scrape while their numbers are the same."""
    numbers = [(actor.messages, actor.restarts, actor.memory_bytes, actor.mailbox_depth) for actor in actors]
    return tuple(
        [
            b"".join(
                [sample_line(family, (actor.actor,), told[place]) for actor, told in zip(actors, numbers, strict=True)]
            )
            for place, family in enumerate(ACTOR_FAMILIES)
        ]
    )


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
