"""Bearer tokens of an OpenID provider (RFC 7519): signature, issuer, audience, times, and what they make of a role.

The algorithm is that of the key, never that of the token (RFC 8725, section 3.1): `none`, and HS256 with a public key
for a secret, find no key.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jwt

from rkruntime.access import Role, highest_role
from rkruntime.security._identity import Identity, Unproven
from rkruntime.security._jwks import ALGORITHMS, JwksSource
from rkruntime.security._keys import Proven

__all__ = ("Tokens",)

LONGEST_TOKEN = 8192
LONGEST_SUBJECT = 255
_KNOWN_ALGORITHMS = frozenset(ALGORITHMS.values())
_REQUIRED = ["exp", "iss", "aud", "sub"]


class Tokens:
    """Checks tokens; for any thread.

    Args:
        source: The keys.
        issuer: The issuer that a token must name.
        audience: The audience that must be among its own.
        leeway_s: Seconds by which clocks may differ.
        claim: The claim that holds roles or groups; dots lead into objects.
        roles: What its values are here.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        source: JwksSource,
        *,
        issuer: str,
        audience: str,
        leeway_s: float,
        claim: str,
        roles: Mapping[str, Role],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._issuer, self._audience, self._leeway_s = issuer, audience, leeway_s
        self._claim, self._roles = claim, roles
        self._now = now
        self._proven = Proven()

    def look(self) -> None:
        """Read the keys again if it is time; may take seconds."""
        self._source.look()

    def known(self, token: str) -> Identity | None:
        """Return whose token this is, if it has been proven and still holds; quick, and never waits."""
        whose = self._proven.get(token)
        if whose is None:
            return None
        subject, role, until_s, generation = whose
        if int(generation) != self._source.generation or self._now() >= float(until_s):
            return None
        return _identity(subject, Role(role) if role else None)

    def prove(self, token: str) -> Identity | Unproven:
        """Say whose token this is; may read the keys again, and so take seconds."""
        if len(token) > LONGEST_TOKEN:
            return Unproven("the token is too long")
        generation = self._source.generation
        try:
            key = self._key(jwt.get_unverified_header(token))
            if isinstance(key, Unproven):
                return key
            public, algorithm = key
            claims = jwt.decode(
                token,
                public,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=self._leeway_s,
                options={"require": _REQUIRED},
            )
            until_s = float(claims["exp"]) + self._leeway_s
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            return Unproven(f"the token does not hold: {type(error).__name__}: {error}"[:300])
        subject = str(claims["sub"])
        if not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
            return Unproven("the token's subject is no name")
        role = highest_role(values_at(claims, self._claim), self._roles)
        self._proven.put(token, (subject, role or "", repr(until_s), str(generation)))
        return _identity(subject, role)

    def _key(self, header: Mapping[str, Any]) -> tuple[Any, str] | Unproven:
        algorithm, identifier = header.get("alg"), header.get("kid")
        if algorithm not in _KNOWN_ALGORITHMS:
            return Unproven(f"the algorithm {str(algorithm)[:20]!r} is not taken")
        if "crit" in header:
            return Unproven("the token demands an extension")
        found = self._find(identifier, algorithm)
        if found is None:
            self._source.look(unknown=True)
            found = self._find(identifier, algorithm)
        return (
            Unproven(f"there is no key {str(identifier)[:50]!r} for {algorithm}")
            if found is None
            else (found, algorithm)
        )

    def _find(self, identifier: Any, algorithm: str) -> Any | None:
        keys = self._source.keys
        if identifier is not None:
            return keys.get((identifier, algorithm)) if isinstance(identifier, str) else None
        alone = [key for (_, one), key in keys.items() if one == algorithm]
        return alone[0] if len(alone) == 1 else None


def values_at(claims: Mapping[str, Any], path: str) -> Iterable[str]:
    """Return the texts of a claim: of a list its items; of a text itself, and its words, as in `scope`."""
    value: Any = claims.get(path)
    if value is None:
        value = claims
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return [value, *value.split()]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _identity(subject: str, role: Role | None) -> Identity:
    return Identity(how="token", id=subject, name=subject, role=role)
