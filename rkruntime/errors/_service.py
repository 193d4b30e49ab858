"""Errors of the HTTP service: requests that it refuses, and what ends it."""

from __future__ import annotations

import attrs

from rkruntime.errors._base import RkError, told

__all__ = ("AddressUnavailable", "Forbidden", "RequestRefused", "ServiceFailed", "Unauthenticated")


@attrs.define(eq=False)
class RequestRefused(RkError):
    """A request that HTTP alone knows to be wrong, or untimely; `status` is the answer's."""

    status: int
    what: str
    mend: str
    retry_after_s: float | None = None

    def __str__(self) -> str:
        return told(self.what, self.mend)


@attrs.define(eq=False)
class Unauthenticated(RkError):
    """Nobody known asks; `scheme` is how to say who (RFC 9110, section 11.6.1)."""

    what: str
    mend: str
    scheme: str = "Bearer"

    def __str__(self) -> str:
        return told(self.what, self.mend)


@attrs.define(eq=False)
class Forbidden(RkError):
    """Who asks is known, and may not do this."""

    who: str
    permission: str
    mend: str

    def __str__(self) -> str:
        return told(f"{self.who!r} lacks the permission {str(self.permission)!r}", self.mend)


@attrs.define(eq=False)
class AddressUnavailable(RkError):
    """The service cannot listen there."""

    address: str
    why: str

    def __str__(self) -> str:
        return told(
            f"cannot listen at {self.address}: {self.why}", "give another one: --host, --port; 0 takes a free port"
        )


@attrs.define(eq=False)
class ServiceFailed(RkError):
    """The server's thread ended by itself; the runtime was drained."""

    why: str

    def __str__(self) -> str:
        return told(f"the HTTP server ended by itself: {self.why}", "see the log; start the service again")
