"""What a service tells of its requests, and what is counted of them."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict, deque
from typing import NamedTuple

from rkruntime.context import Trace
from rkruntime.observability._histogram import Histogram

__all__ = ("MOST_UNCOUNTED", "RequestCounts", "RequestDone")

MOST_UNCOUNTED = 256
"""Requests, or launches, that are put aside until they are counted: of many at a time each takes a third as long."""


class RequestDone(NamedTuple):
    """One request that was answered.

    Args:
        route: The route's pattern, such as `/v1/kernels/{name}/launch`; empty where none fits.
        method: `GET` or the like.
        status: The answer's status; 499 where the client went away before it.
        took_s: Seconds from the request's head to the answer's end.
        trace: Its span, where it belongs to a trace.
        request_id: The request's id.
        ended_s: When it ended, in seconds of Unix time.
    """

    route: str
    method: str
    status: int
    took_s: float
    trace: Trace | None = None
    request_id: str = ""
    ended_s: float = 0.0


class RequestCounts:
    """Counts requests, many at a time: one request costs no more than to be put aside."""

    def __init__(self) -> None:
        self._ended: deque[tuple[str, str, int, float]] = deque()
        self._counting = threading.Lock()
        self._by_answer: Counter[tuple[str, str, str]] = Counter()
        self._took: dict[str, Histogram] = {}

    def note(self, route: str, method: str, status: int, took_s: float) -> None:
        """Put a request aside to be counted; on the service's thread. The arguments are those of `RequestDone`."""
        self._ended.append((route, method, status, took_s))
        if len(self._ended) >= MOST_UNCOUNTED:
            self._count()

    def remember(self, route: str, took_s: float, trace: Trace) -> None:
        """Keep the trace of a request that was put aside as its bucket's exemplar."""
        with self._counting:
            self._histogram(route).remember(took_s, trace)

    def by_answer(self) -> list[tuple[tuple[str, str, str], int]]:
        """Return how many there were of each route, method and status; on any thread."""
        self._count()
        return list(self._by_answer.items())

    def took(self) -> list[tuple[tuple[str], Histogram]]:
        """Return how long those of each route took; on any thread."""
        self._count()
        return [((route,), histogram) for route, histogram in tuple(self._took.items())]

    def _count(self) -> None:
        with self._counting:
            ended = [self._ended.popleft() for _ in range(len(self._ended))]
            took: defaultdict[str, list[float]] = defaultdict(list)
            for route, method, status, took_s in ended:
                self._by_answer[route, method, str(status)] += 1
                took[route].append(took_s)
            for route, those in took.items():
                self._histogram(route).observe_all(those)

    def _histogram(self, route: str) -> Histogram:
        found = self._took.get(route)
        if found is None:
            found = self._took[route] = Histogram()
        return found
