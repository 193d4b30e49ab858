"""What the dashboard follows: a snapshot a second, as server-sent events."""

from __future__ import annotations

import time
from typing import Any

import attrs
from starlette.exceptions import HTTPException

from rkruntime.config import MemoryConfig
from rkruntime.errors import NotRunning, RequestRefused
from rkruntime.memory import MemoryStats
from rkruntime.runtime import Runtime, snapshot
from rkruntime.service._activity import Activity
from rkruntime.service._answers import Parts, Streamed, as_json
from rkruntime.service._incoming import Exchange
from rkruntime.service._outside import told_outside
from rkruntime.service._state import ServiceState

__all__ = ("events", "take")

EACH_S = 1.0
MOST_STREAMS = 64
"""Event streams at once; one more is refused."""
MOST_OWNERS = 100
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
"""The second is for nginx, which would keep events back until a page is full."""


async def events(state: ServiceState, request: Exchange) -> Streamed:
    """Stream a snapshot a second until the client leaves or the runtime has ended."""
    if not state.config.service.dashboard_enabled:
        raise HTTPException(404)
    if state.feed.streams >= MOST_STREAMS:
        raise RequestRefused(503, f"{MOST_STREAMS} event streams are open", "close one, or ask again later", 5.0)
    return Streamed(_stream(state, request), "text/event-stream", HEADERS)


async def _stream(state: ServiceState, request: Exchange) -> Parts:
    state.feed.streams += 1
    try:
        yield b"retry: 1000\n\n"
        yield await state.feed.latest(lambda: state.bridge.call(_take, state))
        while not await request.left_within(EACH_S):
            yield await state.feed.latest(lambda: state.bridge.call(_take, state))
    except NotRunning:  # the runtime has ended, and with it what there is to tell
        return
    finally:
        state.feed.streams -= 1


async def _take(state: ServiceState) -> bytes:
    told = take(state.runtime, state.activity, state.config.runtime.memory, state.config.service_name)
    return b"event: snapshot\ndata: " + as_json(told_outside(told)) + b"\n\n"


def take(runtime: Runtime, activity: Activity, limits: MemoryConfig, service_name: str) -> dict[str, Any]:
    """Tell all that the dashboard shows; on the Trio thread.

    Args:
        runtime: What is told of.
        activity: What it launched, and what went wrong.
        limits: The edges of the pressure levels.
        service_name: As configured.
    """
    told = snapshot(runtime)
    memory = told["memory"]
    if memory is not None:
        memory |= _strata(runtime.memory.stats()) | {"edges": _edges(limits)}
    return told | {
        "at_s": time.time(),
        "service": {"name": service_name},
        "kernels": activity.kernels(),
        "errors": activity.errors(),
    }


def _strata(stats: MemoryStats) -> dict[str, Any]:
    return {
        "classes": [attrs.asdict(row) for row in stats.classes],
        "owners": [attrs.asdict(row) for row in stats.owners[:MOST_OWNERS]],
    }


def _edges(limits: MemoryConfig) -> dict[str, float]:
    return {
        "warning": limits.pressure_threshold,
        "critical": limits.critical_threshold,
        "emergency": limits.emergency_threshold,
    }
