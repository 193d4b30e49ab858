"""The ASGI application: routes from the table, each under the wraps that are handed in; errors become problems."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rkruntime.context import REQUEST_ID, TRACE, Trace, parse_traceparent
from rkruntime.errors import RkError
from rkruntime.log import get_logger
from rkruntime.runtime import State
from rkruntime.service._incoming import Exchange, Incoming, deadline_of
from rkruntime.service._limits import Held
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
    routes = [_route(spec, state, wraps) for spec in ROUTES]
    return _Front(state, Router(routes, redirect_slashes=False, default=_nothing_here))


def _route(spec: RouteSpec, state: ServiceState, wraps: Sequence[Wrap]) -> Route:
    endpoint = _Endpoint(spec, state)
    app: ASGIApp = endpoint
    for wrap in reversed(wraps):
        app = wrap(spec, _Told(app))
    route = Route(spec.path, endpoint, methods=[spec.method])
    route.app = Named(spec.path, app)  # a wrap may be a function, which Route would take for a handler of requests
    return route


async def _nothing_here(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise HTTPException(404)


class _Endpoint:
    """Runs one route's handler, within the service's limits."""

    def __init__(self, spec: RouteSpec, state: ServiceState) -> None:
        self._handler = spec.handler
        self._limited = spec.limited
        self._state = state
        self._most_s = state.config.service.request_timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        limits = self._state.limits
        incoming: Incoming = scope["rk.incoming"]
        deadline_s = deadline_of(incoming, self._most_s)
        if self._limited:
            limits.check_rate(scope)
            await limits.enter(deadline_s)
        held = Held(limits)
        try:
            response = await self._handler(self._state, Exchange(scope, incoming, held, deadline_s))
            await response(scope, receive, send)
        finally:
            held.give_back()
            if self._limited:
                limits.leave()


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
            await scope["rk.incoming"].discard()
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
        incoming = scope["rk.incoming"] = Incoming(scope, receive)
        request_id = _enter(scope)
        runtime = self._runtime

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                headers.append((b"x-request-id", request_id))
                if runtime.state is not State.RUNNING or not incoming.ended:
                    headers.append((b"connection", b"close"))
            await send(message)

        await self._app(scope, incoming, told)


def _enter(scope: Scope) -> bytes:
    """Set the request's context variables, and return its id."""
    request_id = b""
    trace: Trace | None = None
    for name, value in scope["headers"]:
        if name == b"x-request-id" and GOOD_ID.fullmatch(value):
            request_id = value
        elif name == b"traceparent":
            trace = parse_traceparent(value.decode("latin-1"))
    request_id = request_id or b"%016x" % random.getrandbits(64)
    REQUEST_ID.set(request_id.decode())
    TRACE.set(trace)
    return request_id
