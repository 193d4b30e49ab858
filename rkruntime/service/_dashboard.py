"""The dashboard's page and what it loads: files of this package, read once, each under a name in one table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rkruntime.service._state import ServiceState

__all__ = ("ASSETS", "asset", "page")

SCRIPT, STYLE = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
ASSETS: Mapping[str, str] = MappingProxyType(
    {
        "charts.js": SCRIPT,
        "dashboard.js": SCRIPT,
        "format.js": SCRIPT,
        "stream.js": SCRIPT,
        "tables.js": SCRIPT,
        "uplot.js": SCRIPT,
        "dashboard.css": STYLE,
        "uplot.css": STYLE,
    }
)
"""What the page loads, and of which media type; nothing else is served."""
NO_CACHE = {"cache-control": "no-cache"}


async def page(state: ServiceState, _: Request) -> Response:
    """Serve the page. It holds no figures: it asks for them with the key that its user gives it."""
    _check_enabled(state)
    return Response(_read("index.html"), headers=NO_CACHE, media_type="text/html; charset=utf-8")


async def asset(state: ServiceState, request: Request) -> Response:
    """Serve a file that the page loads."""
    _check_enabled(state)
    name = request.path_params["name"]
    if name not in ASSETS:
        raise HTTPException(404)
    return Response(_read(name), headers=NO_CACHE, media_type=ASSETS[name])


def _check_enabled(state: ServiceState) -> None:
    if not state.config.service.dashboard_enabled:
        raise HTTPException(404)


@cache
def _read(name: str) -> bytes:
    return files("rkruntime.service").joinpath("dashboard", name).read_bytes()
