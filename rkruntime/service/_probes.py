"""What orchestrators ask: is it live, is it ready. Answered on the server's thread, whatever the runtime does."""

from __future__ import annotations

import asyncio

from rkruntime.errors import RequestRefused
from rkruntime.service._answers import Answer, json_response
from rkruntime.service._incoming import Exchange
from rkruntime.service._state import ServiceState

__all__ = ("healthz", "metrics", "readyz")

NO_STORE = {"cache-control": "no-store"}


async def healthz(state: ServiceState, _: Exchange) -> Answer:
    """Live: the lifecycle is not over, and the runtime's loop turns."""
    health, turns = state.runtime.health, state.heart.beats
    live = health.live and turns
    told = {"live": live, "state": health.state.value, "loop": "turns" if turns else "has not turned for 15 s"}
    return json_response(told, 200 if live else 503, NO_STORE)


async def readyz(state: ServiceState, _: Exchange) -> Answer:
    """Ready: new launches are served."""
    health = state.runtime.health
    ready = health.ready and state.heart.beats
    told = {
        "ready": ready,
        "state": health.state.value,
        "checks": [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in health.checks],
    }
    return json_response(told, 200 if ready else 503, NO_STORE)


async def metrics(state: ServiceState, request: Exchange) -> Answer:
    """Write the metrics, on a thread of its own: neither the runtime nor other requests wait for it."""
    told = state.observability.metrics if state.observability is not None else None
    if told is None:
        raise RequestRefused(404, "no metrics are kept", "set observability.metrics_enabled = true")
    accept, limits = request.header(b"accept") or "", state.limits
    pieces, kind = await asyncio.to_thread(told.write, accept, lambda: limits.in_progress > 0)
    return Answer(pieces, kind=kind, headers=NO_STORE)
