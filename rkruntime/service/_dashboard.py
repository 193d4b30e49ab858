"""The dashboard's page and what it loads: files of this package, read once, each under a name in one table."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from starlette.exceptions import HTTPException

from rkruntime.service._answers import Answer
from rkruntime.service._incoming import Exchange
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


async def page(state: ServiceState, _: Exchange) -> Answer:
    """Serve the page. It holds no figures: it asks for them with the key that its user gives it."""
    _check_enabled(state)
    return Answer(_read("index.html"), kind="text/html; charset=utf-8", headers=NO_CACHE)


async def asset(state: ServiceState, request: Exchange) -> Answer:
    """Serve a file that the page loads."""
    _check_enabled(state)
    name = request.path_params["name"]
    if name not in ASSETS:
        raise HTTPException(404)
    return Answer(_read(name), kind=ASSETS[name], headers=NO_CACHE)


def _check_enabled(state: ServiceState) -> None:
    if not state.config.service.dashboard_enabled:
        raise HTTPException(404)


@cache
def _read(name: str) -> bytes:
    return files("rkruntime.service").joinpath("dashboard", name).read_bytes()
