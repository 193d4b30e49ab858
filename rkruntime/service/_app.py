"""The ASGI application: routes from the table, each under the wraps that are handed in; errors become problems."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rkruntime.context import REQUEST_ID, TRACE, Trace, parse_traceparent
from rkruntime.errors import RkError
from rkruntime.log import get_logger
from rkruntime.runtime import State
from rkruntime.service._observed import Named, Observed
from rkruntime.service._problems import problem_response
from rkruntime.service._routes import ROUTES, RouteSpec
from rkruntime.service._state import ServiceState

__all__ = ("Wrap", "make_app")

Wrap: TypeAlias = Callable[[RouteSpec, ASGIApp], ASGIApp]
"""What stands around a route: given the route and what is inside it, it returns an ASGI application.

It runs on the server's thread, with `REQUEST_ID` and `TRACE` set. An `RkError` that it raises is answered as a
problem; `IDENTITY` that it sets holds for the limits and the launch inside it.
"""

GOOD_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def make_app(state: ServiceState, wraps: Sequence[Wrap] = ()) -> ASGIApp:
    """Make the application.

    Args:
        state: What handlers answer from.
        wraps: What stands around every route, the outermost first.
    """
    routes = [Route(spec.path, _route(spec, state, wraps), methods=[spec.method]) for spec in ROUTES]
    return _Front(state, Router(routes, redirect_slashes=False, default=_nothing_here))


def _route(spec: RouteSpec, state: ServiceState, wraps: Sequence[Wrap]) -> ASGIApp:
    app: ASGIApp = _Told(_Endpoint(spec, state))
    for wrap in reversed(wraps):
        app = _Told(wrap(spec, app))
    return Named(spec.path, app)


async def _nothing_here(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise HTTPException(404)


class _Endpoint:
    """Runs one route's handler."""

    def __init__(self, spec: RouteSpec, state: ServiceState) -> None:
        self._handler = spec.handler
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._handler(self._state, Request(scope, receive))
        await response(scope, receive, send)


class _Told:
    """Answers what `app` raises as a problem, so that whatever stands around it sees a status and no exception."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return
        except Exception as error:
            if not isinstance(error, RkError | HTTPException):
                get_logger("rkruntime.service").exception("a request failed", request_id=REQUEST_ID.get())
            if begun:  # half an answer cannot be mended: the connection ends, and the client sees that it is cut
                raise
            await problem_response(error)(scope, receive, send)


class _Front:
    """Gives each request its id and its trace, and closes connections after their answer while the runtime drains."""

    def __init__(self, state: ServiceState, app: ASGIApp) -> None:
        self._runtime = state.runtime
        told = _Told(app)
        self._app: ASGIApp = told if state.observability is None else Observed(told, state.observability)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        scope["app"] = self
        request_id = _enter(scope)
        runtime = self._runtime

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                headers.append((b"x-request-id", request_id))
                if runtime.state is not State.RUNNING:
                    headers.append((b"connection", b"close"))
            await send(message)

        await self._app(scope, receive, told)


def _enter(scope: Scope) -> bytes:
    """Set the request's context variables, and return its id."""
    request_id = b""
    trace: Trace | None = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and GOOD_ID.fullmatch(value):
            request_id = value
        elif name == b"traceparent":
            trace = parse_traceparent(value.decode("latin-1"))
    request_id = request_id or secrets.token_hex(8).encode()
    REQUEST_ID.set(request_id.decode())
    TRACE.set(trace)
    return request_id
