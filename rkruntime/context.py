"""What a request carries along: context variables, set where it enters and read wherever its work runs.

They travel with every message to an actor, so that a launch, its logs and its spans know the request they belong to.
"""

from __future__ import annotations

from contextvars import ContextVar

__all__ = ("IDENTITY", "REQUEST_ID", "TRACEPARENT")

REQUEST_ID: ContextVar[str] = ContextVar("rk_request_id", default="")
"""The request's id: the caller's `X-Request-Id` where that is well formed, else one made for it."""
TRACEPARENT: ContextVar[str] = ContextVar("rk_traceparent", default="")
"""The caller's `traceparent` as it came (W3C Trace Context), where it is well formed."""
IDENTITY: ContextVar[str] = ContextVar("rk_identity", default="")
"""Who asks: the name that the caller was authenticated under; empty for nobody in particular."""
