"""The table of routes: what is served where, and what permission it takes. Nothing else adds a route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs
from starlette.types import ASGIApp

from rkruntime.access import Permission
from rkruntime.service import _dashboard, _events, _launches, _pages, _probes
from rkruntime.service._incoming import Exchange
from rkruntime.service._state import ServiceState

__all__ = ("ROUTES", "Handler", "RouteSpec")

Handler: TypeAlias = Callable[[ServiceState, Exchange], Awaitable[ASGIApp]]


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
    """

    path: str
    method: str
    handler: Handler
    permission: Permission | None
    limited: bool = True
    summary: str = ""


ROUTES: tuple[RouteSpec, ...] = (
    RouteSpec(
        path="/v1/kernels/{name}/launch",
        method="POST",
        handler=_launches.launch,
        permission=Permission.LAUNCH,
        summary="Launch a kernel and answer with its results.",
    ),
    RouteSpec(
        path="/healthz",
        method="GET",
        handler=_probes.healthz,
        permission=None,
        limited=False,
        summary="Whether the process is worth keeping.",
    ),
    RouteSpec(
        path="/readyz",
        method="GET",
        handler=_probes.readyz,
        permission=None,
        limited=False,
        summary="Whether new launches are served.",
    ),
    RouteSpec(
        path="/metrics",
        method="GET",
        handler=_probes.metrics,
        permission=Permission.READ,
        limited=False,
        summary="The metrics, in Prometheus' text format.",
    ),
    RouteSpec(
        path="/v1/kernels",
        method="GET",
        handler=_pages.kernels,
        permission=Permission.READ,
        summary="The kernels served.",
    ),
    RouteSpec(
        path="/v1/kernels/{name}",
        method="GET",
        handler=_pages.kernel,
        permission=Permission.READ,
        summary="What one kernel takes.",
    ),
    RouteSpec(
        path="/v1/runtime",
        method="GET",
        handler=_pages.runtime,
        permission=Permission.READ,
        summary="What the runtime does.",
    ),
    RouteSpec(
        path="/v1/runtime/drain",
        method="POST",
        handler=_pages.drain,
        permission=Permission.DRAIN,
        limited=False,
        summary="Drain the runtime, and end the service.",
    ),
    RouteSpec(
        path="/v1/events",
        method="GET",
        handler=_events.events,
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
