"""Requests as they are told: each has a span, is counted while it is served, and leaves a record of its answer."""

from __future__ import annotations

import time

from rkruntime.context import TRACE
from rkruntime.observability import Observability
from rkruntime.service._incoming import Exchange

__all__ = ("WENT_AWAY", "Observed")

WENT_AWAY = 499
"""The status of a request whose client went away before an answer; nginx's number for it."""

METHODS = frozenset(("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"))
"""Methods that are told apart: whoever may send a request may not add to what is counted."""


class Observed:
    """Tells of requests, on the server's thread; the request's id and its caller's trace are set.

    Args:
        observability: Who is told.
    """

    def __init__(self, observability: Observability) -> None:
        self._observability = observability
        self._in_flight = 0
        if observability.metrics is not None:
            observability.metrics.requests_in_flight = lambda: self._in_flight

    def begin(self, exchange: Exchange) -> None:
        """Begin a request's span."""
        caller = TRACE.get()
        if caller is not None or self._observability.tracing is not None:
            TRACE.set(self._observability.begin_request(caller))
        self._in_flight += 1
        exchange.began_s = time.perf_counter()

    def end(self, exchange: Exchange, status: int) -> None:
        """Tell how a request was answered."""
        self._in_flight -= 1
        took_s = time.perf_counter() - exchange.began_s
        method = exchange.scope["method"]
        self._observability.end_request(exchange.route, method if method in METHODS else "OTHER", status, took_s)
