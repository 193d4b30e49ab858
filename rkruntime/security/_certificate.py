"""The names in a client's certificate, and who it is by them. Decisions only."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rkruntime.access import Role, highest_role
from rkruntime.security._identity import Identity

__all__ = ("identity_of", "names_in")

_SHORT: Mapping[str, str] = MappingProxyType(
    {
        "commonName": "CN",
        "organizationName": "O",
        "organizationalUnitName": "OU",
        "countryName": "C",
        "localityName": "L",
        "stateOrProvinceName": "ST",
        "domainComponent": "DC",
    }
)
_ALTERNATIVE = frozenset(("DNS", "URI", "email", "IP Address"))


def names_in(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Return the names in a verified certificate, the subject first: `CN=ann,O=Lab`, `DNS:x`, `URI:spiffe://x`.

    Args:
        certificate: As `ssl.SSLSocket.getpeercert()` returns it: empty or None where none was verified.
    """
    if not certificate:
        return ()
    parts = [
        f"{_SHORT.get(name, name)}={_escaped(value)}" for rdn in certificate.get("subject", ()) for name, value in rdn
    ]
    others = [f"{kind}:{value}" for kind, value in certificate.get("subjectAltName", ()) if kind in _ALTERNATIVE]
    return (",".join(parts), *others) if parts else tuple(others)


def _escaped(value: str) -> str:
    """Escape what has a meaning between names (RFC 4514, section 2.4), so that no name looks like two."""
    return re.sub(r'([,+"\\<>;=])', r"\\\1", value)


def identity_of(names: Sequence[str], roles: Mapping[str, Role]) -> Identity | None:
    """Say who a certificate is of; None without one. The role is the highest that one of its names has."""
    if not names:
        return None
    return Identity(how="certificate", id=names[0], name=names[0], role=highest_role(names, roles))
