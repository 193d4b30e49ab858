"""What a runtime is doing now, as plain values: for the control socket, and whoever else tells it on."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import trio

import rkruntime
from rkruntime.actors import ActorInfo

if TYPE_CHECKING:
    from rkruntime.runtime._runtime import Runtime

__all__ = ("snapshot",)

MOST_ACTORS = 100
"""Actors that are listed, the busiest first; all are counted."""


def snapshot(runtime: Runtime) -> dict[str, Any]:
    """Tell state, actors, memory and health; times in seconds, sizes in bytes."""
    for_s = trio.current_time() - runtime.since_s
    actors = sorted(runtime.actors, key=lambda actor: (-actor.in_flight, -actor.memory_bytes, actor.name))
    return {
        "instance": runtime.instance,
        "pid": os.getpid(),
        "version": rkruntime.__version__,
        "state": runtime.state.value,
        "since": datetime.fromtimestamp(time.time() - for_s, UTC).isoformat(timespec="milliseconds"),
        "for_s": for_s,
        "device": _device(runtime),
        "in_flight": sum(actor.in_flight for actor in actors),
        "drain": _drain(runtime),
        "actors": {"live": len(actors), "listed": [_actor(actor) for actor in actors[:MOST_ACTORS]]},
        "memory": _memory(runtime),
        "health": _health(runtime),
    }


def _device(runtime: Runtime) -> dict[str, Any] | None:
    if not runtime.is_open:
        return None
    properties = runtime.device.properties
    return {"kind": properties.kind, "name": properties.name, "compute_units": properties.compute_units}


def _drain(runtime: Runtime) -> dict[str, Any] | None:
    progress = runtime.drain_progress
    if progress is None:
        return None
    return {
        "began_in_flight": progress.began_in_flight,
        "in_flight": progress.in_flight,
        "deadline_in_s": progress.deadline_s - trio.current_time(),
    }


def _actor(actor: ActorInfo) -> dict[str, Any]:
    return {
        "name": actor.name,
        "kind": actor.kind.__name__,
        "state": actor.state,
        "in_flight": actor.in_flight,
        "waiting": actor.mailbox_depth,
        "messages": actor.messages,
        "restarts": actor.restarts,
        "memory_bytes": actor.memory_bytes,
        "last_error": actor.last_error,
    }


def _memory(runtime: Runtime) -> dict[str, Any] | None:
    """Tell the memory's totals; not its classes and owners, of which there may be many."""
    if not runtime.is_open:
        return None
    stats = runtime.memory.stats()
    return {
        "pressure": str(stats.level),
        "device": {
            "limit_bytes": stats.limit_bytes,
            "reserved_bytes": stats.reserved_bytes,
            "allocated_bytes": stats.allocated_bytes,
            "requested_bytes": stats.requested_bytes,
            "cached_bytes": stats.cached_bytes,
            "peak_bytes": stats.peak_bytes,
            "buffers": stats.live_buffers,
        },
        "staging": {
            "limit_bytes": stats.staging_limit_bytes,
            "reserved_bytes": stats.staging_reserved_bytes,
            "allocated_bytes": stats.staging_used_bytes,
        },
    }


def _health(runtime: Runtime) -> dict[str, Any]:
    health = runtime.health
    return {
        "live": health.live,
        "ready": health.ready,
        "checked_ago_s": None if health.checked_s is None else trio.current_time() - health.checked_s,
        "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in health.checks],
    }
