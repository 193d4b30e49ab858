"""What a service tells of its requests."""

from __future__ import annotations

from typing import NamedTuple

from rkruntime.context import Trace

__all__ = ("RequestDone",)


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
