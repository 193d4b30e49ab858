"""The table of routes: what is served where, and what permission it takes. Nothing else adds a route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import attrs

from rkruntime.access import Permission
from rkruntime.service import _dashboard, _events, _launches, _openapi, _pages, _probes, _types
from rkruntime.service._answers import JSON, Reply
from rkruntime.service._incoming import Exchange
from rkruntime.service._state import ServiceState

__all__ = ("ROUTES", "Handler", "RouteSpec")

Handler: TypeAlias = Callable[[ServiceState, Exchange], Awaitable[Reply]]


@attrs.frozen(kw_only=True)
class RouteSpec:
    """One route.

    Args:
        path: Where; `{name}` stands for one part of the path.
        method: The HTTP method; GET answers HEAD too.
        handler: What answers.
        permission: What the caller needs: `read`, `launch`, `drain` or `admin`; None for probes, which anyone may ask.
        limited: Whether the service's limits (requests at once, rate) hold for it.
        summary: What it does, in one line.
        answers: The type of its answer; None where it is no part of the API.
        asks: The type of its body in JSON; None where it takes none.
        kind: The media type of its answer.
        status: The status of its answer.
        also: Another status with the same answer.
    """

    path: str
    method: str
    handler: Handler
    permission: Permission | None
    limited: bool = True
    summary: str = ""
    answers: Any = None
    asks: Any = None
    kind: str = JSON
    status: int = 200
    also: int | None = None


ROUTES: tuple[RouteSpec, ...] = (
    RouteSpec(
        path="/v1/kernels/{name}/launch",
        method="POST",
        handler=_launches.launch,
        answers=_types.LaunchAnswer,
        asks=_types.LaunchAsked,
        permission=Permission.LAUNCH,
        summary="Launch a kernel and answer with its results.",
    ),
    RouteSpec(
        path="/healthz",
        method="GET",
        handler=_probes.healthz,
        answers=_types.Liveness,
        also=503,
        permission=None,
        limited=False,
        summary="Whether the process is worth keeping.",
    ),
    RouteSpec(
        path="/readyz",
        method="GET",
        handler=_probes.readyz,
        answers=_types.Readiness,
        also=503,
        permission=None,
        limited=False,
        summary="Whether new launches are served.",
    ),
    RouteSpec(
        path="/metrics",
        method="GET",
        handler=_probes.metrics,
        answers=str,
        kind="text/plain",
        permission=Permission.READ,
        limited=False,
        summary="The metrics, in Prometheus' text format.",
    ),
    RouteSpec(
        path="/v1/kernels",
        method="GET",
        handler=_pages.kernels,
        answers=_types.Kernels,
        permission=Permission.READ,
        summary="The kernels served.",
    ),
    RouteSpec(
        path="/v1/kernels/{name}",
        method="GET",
        handler=_pages.kernel,
        answers=_types.KernelPage,
        permission=Permission.READ,
        summary="What one kernel takes.",
    ),
    RouteSpec(
        path="/v1/runtime",
        method="GET",
        handler=_pages.runtime,
        answers=_types.RuntimePage,
        permission=Permission.READ,
        summary="What the runtime does.",
    ),
    RouteSpec(
        path="/v1/actors",
        method="GET",
        handler=_pages.actors,
        answers=_types.Actors,
        permission=Permission.READ,
        summary="The live actors.",
    ),
    RouteSpec(
        path="/v1/memory",
        method="GET",
        handler=_pages.memory,
        answers=_types.Memory,
        permission=Permission.READ,
        summary="Where the device's memory is.",
    ),
    RouteSpec(
        path="/openapi.json",
        method="GET",
        handler=_openapi.openapi,
        permission=Permission.READ,
        summary="This description.",
    ),
    RouteSpec(
        path="/v1/runtime/drain",
        method="POST",
        handler=_pages.drain,
        answers=_types.DrainBegun,
        asks=_types.DrainAsked,
        status=202,
        permission=Permission.DRAIN,
        limited=False,
        summary="Drain the runtime, and end the service.",
    ),
    RouteSpec(
        path="/v1/events",
        method="GET",
        handler=_events.events,
        answers=str,
        kind="text/event-stream",
        permission=Permission.READ,
        limited=False,
        summary="A snapshot of the runtime each second, as server-sent events.",
    ),
    RouteSpec(
        path="/",
        method="GET",
        handler=_dashboard.page,
        permission=None,
        limited=False,
        summary="The dashboard; it shows what /v1/events tells.",
    ),
    RouteSpec(
        path="/dashboard/{name}",
        method="GET",
        handler=_dashboard.asset,
        permission=None,
        limited=False,
        summary="What the dashboard loads.",
    ),
)
