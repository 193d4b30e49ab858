"""uvicorn's HTTP protocol, and what it leaves out: the names in a client's certificate."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rkruntime.security import names_in

__all__ = ("CertifiedProtocol", "names_of")

_NAMES = "rkruntime.certificate_names"


class CertifiedProtocol(HttpToolsProtocol):
    """Puts the names of a client's verified certificate into the scope of its requests."""

    names: tuple[str, ...] = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Read the certificate, once for all requests of the connection."""
        super().connection_made(transport)
        self.names = names_in(transport.get_extra_info("peercert"))

    def certify(self, scope: Any) -> None:
        """Put them into a request's scope."""
        scope.setdefault("extensions", {})[_NAMES] = self.names


def names_of(scope: Scope) -> tuple[str, ...]:
    """Return the names in the certificate of who sent a request; none where there is none."""
    names: tuple[str, ...] = scope.get("extensions", {}).get(_NAMES, ())
    return names
