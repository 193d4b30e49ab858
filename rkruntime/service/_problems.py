"""From an error to its answer: RFC 9457's `application/problem+json`, and the status of each kind. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import attrs
from starlette.exceptions import HTTPException

from rkruntime import errors
from rkruntime.context import REQUEST_ID
from rkruntime.service._answers import Answer, as_json
from rkruntime.service._outside import told_outside

__all__ = ("PROBLEM_JSON", "STATUS", "Problem", "problem_of", "problem_response", "status_of")

PROBLEM_JSON = "application/problem+json"
RETRY_S = 1.0
"""Seconds after which what is full now may have room, where the error itself does not say."""

STATUS: Mapping[type[Exception], int] = MappingProxyType(
    {
        errors.KernelNotFound: 404,
        errors.ArgumentMismatch: 422,
        errors.InvalidLaunch: 422,
        errors.UnsupportedKernel: 422,
        errors.KernelCompileError: 422,
        errors.KernelFault: 422,
        errors.BarrierDivergence: 422,
        errors.BufferMisuse: 500,
        errors.Overloaded: 503,
        errors.MemoryPressure: 503,
        errors.InstanceLimit: 503,
        errors.OutOfDeviceMemory: 503,
        errors.Draining: 503,
        errors.NotRunning: 503,
        errors.MessageCancelled: 503,
        errors.LaunchCancelled: 503,
        errors.ActorStopped: 503,
        errors.DeviceLost: 503,
        errors.ActorCrashed: 500,
        errors.DeadlineExceeded: 504,
        errors.Unauthenticated: 401,
        errors.Forbidden: 403,
        errors.AuditUnavailable: 503,
    }
)
"""Error -> status; every error that is not here is 500."""


MENDS: Mapping[type[Exception], str] = MappingProxyType(
    {
        errors.NotRunning: "ask again once /readyz answers 200",
        errors.KernelFault: "give arrays and numbers that fit together, or have the kernel's line mended",
    }
)
"""Error -> what a caller over HTTP can do, where that is not what a program can do that holds the runtime."""


@attrs.frozen(kw_only=True)
class Problem:
    """A problem, as RFC 9457 has it, with what we add.

    Args:
        type: A name of the kind of problem: `urn:rkruntime:error:` and the error's class.
        title: What kind of problem it is, in words that do not change.
        status: The answer's status.
        detail: What is wrong with this request.
        mend: How to mend it.
        request_id: The request's id, as in the header X-Request-Id and in the logs.
        retry_after_s: Seconds after which to ask again, as in the header Retry-After; None where that does not help.
    """

    type: str
    title: str
    status: int
    detail: str
    mend: str
    request_id: str
    retry_after_s: float | None = None


def status_of(error: Exception) -> int:
    """Return the status of an error's answer."""
    if isinstance(error, errors.RequestRefused):
        return error.status
    if isinstance(error, HTTPException):
        return error.status_code
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def problem_of(error: Exception) -> Problem:
    """Say what is told of an error; of one that is not ours, nothing but that it happened."""
    status, retry_s = status_of(error), _retry_s(error)
    if isinstance(error, HTTPException):
        title, detail, mend = error.detail, f"{error.detail}: there is no such page or method", "see /openapi.json"
        kind = f"http-{status}"
    elif isinstance(error, errors.RkError):
        kind = type(error).__name__
        title = (type(error).__doc__ or kind).partition("\n")[0].partition(";")[0].rstrip(".")
        detail, _, mend = str(error).partition("\n  mend: ")
        mend = MENDS.get(type(error), mend)
    else:
        kind, title = "Unforeseen", "The service failed"
        detail, mend = (
            "this was not foreseen; the service's log has it under the request's id",
            "ask again, or report it",
        )
    return Problem(
        type=f"urn:rkruntime:error:{kind}",
        title=title,
        status=status,
        detail=told_outside(detail),
        mend=told_outside(mend),
        request_id=REQUEST_ID.get(),
        retry_after_s=retry_s,
    )


def problem_response(error: Exception) -> Answer:
    """Answer with a problem."""
    problem = problem_of(error)
    headers = {"cache-control": "no-store"}
    if problem.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(problem.retry_after_s))
    if isinstance(error, errors.Unauthenticated):
        headers["www-authenticate"] = error.scheme
    if isinstance(error, HTTPException) and error.headers:
        headers |= {name.lower(): value for name, value in error.headers.items()}
    return Answer(as_json(problem), problem.status, PROBLEM_JSON, headers)


def _retry_s(error: Exception) -> float | None:
    if isinstance(error, errors.RequestRefused | errors.Draining):
        return error.retry_after_s
    return RETRY_S if status_of(error) == 503 else None
