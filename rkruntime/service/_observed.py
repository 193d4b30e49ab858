"""Requests as they are told: each has a span, is counted while it is served, and leaves a record of its answer."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rkruntime.context import REQUEST_ID, TRACE
from rkruntime.observability import Observability, RequestDone

__all__ = ("ROUTE", "Named", "Observed")

ROUTE = "rkruntime.route"
"""Where in a request's scope the pattern of its route stands, once it has one."""
WENT_AWAY = 499
"""The status of a request whose client went away before an answer; nginx's number for it."""

METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
"""Methods that are told apart: whoever may send a request may not add to what is counted."""


class Named:
    """Notes in a request's scope which route it took.

    Args:
        pattern: The route's path, as in the table.
        app: What answers.
    """

    def __init__(self, pattern: str, app: ASGIApp) -> None:
        self._pattern = pattern
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = self._pattern
        await self._app(scope, receive, send)


class Observed:
    """Stands around the whole application, on the server's thread; the request's id and its caller's trace are set.

    Args:
        app: The application.
        observability: Who is told.
    """

    def __init__(self, app: ASGIApp, observability: Observability) -> None:
        self._app = app
        self._observability = observability
        self._in_flight = 0
        if observability.metrics is not None:
            observability.metrics.requests_in_flight = lambda: self._in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace = self._observability.begin_request(TRACE.get())
        TRACE.set(trace)
        status = WENT_AWAY

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        self._in_flight += 1
        try:
            await self._app(scope, receive, watched)
        finally:
            self._in_flight -= 1
            took_s = time.perf_counter() - began
            route = scope.get(ROUTE, "")
            method = scope["method"] if scope["method"] in METHODS else "OTHER"
            done = RequestDone(route, method, status, took_s, trace, REQUEST_ID.get(), time.time())
            self._observability.end_request(done)
