"""The ASGI application: a request comes in, its route's handler replies, errors become problems, the reply is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from rkruntime.context import REQUEST_ID, TRACE, parse_traceparent
from rkruntime.errors import RkError
from rkruntime.log import get_logger
from rkruntime.runtime import State
from rkruntime.service._answers import Reply
from rkruntime.service._incoming import Exchange, id_of
from rkruntime.service._observed import WENT_AWAY, Observed
from rkruntime.service._problems import problem_response
from rkruntime.service._routes import ROUTES, RouteSpec
from rkruntime.service._routing import Routing
from rkruntime.service._running import in_task
from rkruntime.service._sending import HeadersFor, Sender
from rkruntime.service._state import ServiceState

__all__ = ("Endpoint", "Wrap", "in_tasks", "make_app")

Endpoint: TypeAlias = Callable[[Exchange], Awaitable[Reply]]
Wrap: TypeAlias = Callable[[RouteSpec, Endpoint], Endpoint]
"""What stands around a route: given the route and what is inside it, it returns what answers in its place.

It runs on the server's thread, with `REQUEST_ID` and `TRACE` set. An error that it raises, or that passes through it
from inside, is answered as a problem; `IDENTITY` that it sets holds for the limits and the launch inside it.
"""


def make_app(state: ServiceState, headers_for: HeadersFor, wraps: Sequence[Wrap] = ()) -> ASGIApp:
    """Make the application.

    Args:
        state: What handlers answer from.
        headers_for: Gives the headers that every reply with a body of some media type gets.
        wraps: What stands around every route, the outermost first.
    """

    def endpoint(spec: RouteSpec) -> Endpoint:
        inner: Endpoint = _Endpoint(spec, state)
        for wrap in reversed(wraps):
            inner = wrap(spec, inner)
        return inner

    return _Front(state, Routing(ROUTES, endpoint), Sender(headers_for))


def in_tasks(wrap: Wrap) -> Wrap:
    """Have what a wrap of somebody else's puts around routes run in tasks, as it may expect of asyncio."""

    def wrapped(spec: RouteSpec, inner: Endpoint) -> Endpoint:
        outer = wrap(spec, inner)

        async def endpoint(exchange: Exchange) -> Reply:
            await in_task()
            return await outer(exchange)

        return endpoint

    return wrapped


class _Front:
    """Takes requests: gives each its id and its trace, has it answered, sends the reply, and tells of it."""

    def __init__(self, state: ServiceState, routing: Routing[Endpoint], sender: Sender) -> None:
        self._runtime = state.runtime
        self._limits = state.limits
        self._routing = routing
        self._sender = sender
        self._observed = None if state.observability is None else Observed(state.observability)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not served")
        exchange = Exchange(scope, receive, self._limits)
        request_id = exchange.request_id = id_of(exchange.headers)
        REQUEST_ID.set(request_id.decode())
        traceparent = exchange.headers.get(b"traceparent")
        if traceparent is not None:
            TRACE.set(parse_traceparent(traceparent.decode("latin-1")))
        observed = self._observed
        if observed is not None:
            observed.begin(exchange)
        status = WENT_AWAY
        try:
            try:
                spec, endpoint, exchange.path_params = self._routing.find(scope["method"], scope["path"])
                exchange.route = spec.path
                reply = await endpoint(exchange)
            except ClientDisconnect:
                return
            except Exception as error:
                reply = await _refuse(exchange, error)
            status = reply.status
            closes = self._runtime.state is not State.RUNNING or not exchange.ended
            if not self._sender.send_at_once(exchange, reply, closes=closes):
                await self._sender.send(exchange, reply, send, closes=closes)
        except ClientDisconnect:
            return
        finally:
            exchange.leave()
            if observed is not None:
                observed.end(exchange, status)


class _Endpoint:
    """Runs one route's handler, within the service's limits; the exchange holds its place until the reply is sent."""

    def __init__(self, spec: RouteSpec, state: ServiceState) -> None:
        self._handler = spec.handler
        self._limited = spec.limited
        self._state = state
        self._most_s = state.config.service.request_timeout
        self._rated = spec.limited and state.config.service.rate_limit is not None

    def __call__(self, exchange: Exchange) -> Awaitable[Reply]:
        ready = exchange.begin(self._most_s, limited=self._limited)
        if self._rated:
            self._state.limits.check_rate(exchange.scope)
        if not ready:
            return self._enter(exchange)
        return self._handler(self._state, exchange)

    async def _enter(self, exchange: Exchange) -> Reply:
        await exchange.enter()
        return await self._handler(self._state, exchange)


async def _refuse(exchange: Exchange, error: Exception) -> Reply:
    """Reply with a problem, once what is left of the request has been read."""
    if not isinstance(error, RkError | HTTPException):
        get_logger("rkruntime.service").error("a request failed", request_id=REQUEST_ID.get(), exc_info=error)
    await exchange.discard()
    return problem_response(error)
