"""Requests that a foreign web page makes its visitor's browser send. Decisions only.

There are no cookies, so a foreign page cannot use what a browser knows. What is left is a service that demands no key
and trusts whoever reaches it, such as one at 127.0.0.1: a page may send it simple requests (cross-site request
forgery), or have its own name lead to it (DNS rebinding). The first shows in Origin and Sec-Fetch-Site, the second in
Host.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

import attrs

__all__ = ("Hosts", "why_foreign")

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


@attrs.frozen
class Hosts:
    """The names by which the service may be called, besides addresses, which no foreign page can choose.

    Args:
        names: The names, in lower case; None for any.
    """

    names: frozenset[str] | None

    @classmethod
    def of(cls, allowed: str | None, bound_to: str) -> Hosts:
        """Return those of a configuration.

        Args:
            allowed: `security.allowed_hosts`.
            bound_to: The address that the service listens at: names of this machine alone lead to a local one.
        """
        if allowed is not None:
            return cls(frozenset(name.strip().strip("[]").lower() for name in allowed.split(",")))
        return cls(frozenset(("localhost",)) if _is_local(bound_to) else None)

    def allow(self, authority: str) -> bool:
        """Whether a request may name this `host` or `host:port`."""
        return self.names is None or _allows(self.names, authority)


@lru_cache(maxsize=256)
def _allows(names: frozenset[str], authority: str) -> bool:
    name = _host_of(authority)
    return name in names or _is_address(name)


def why_foreign(
    method: str, authority: str, hosts: Hosts, *, origin: str | None = None, site: str | None = None
) -> str | None:
    """Say why a request looks like a foreign page's; None where it does not.

    Args:
        method: The request's method.
        authority: Its header Host; empty where it has none.
        hosts: The names that it may call the service by.
        origin: Its header Origin, where it has one.
        site: Its header Sec-Fetch-Site, where it has one.
    """
    if not hosts.allow(authority):
        return f"the host {authority[:100]!r} is none of this service's"
    if method in _SAFE:
        return None
    if site is not None and site not in ("same-origin", "none"):
        return "a page of another site sends it"
    if origin is not None and _without_port(origin.partition("://")[2], origin) != _without_port(authority, origin):
        return f"a page of {origin[:100]!r} sends it"
    return None


def _without_port(authority: str, origin: str) -> str:
    """Return an authority in lower case, without the port that its scheme has anyway."""
    default = ":443" if origin.startswith("https://") else ":80"
    return authority.lower().removesuffix(default)


def _host_of(authority: str) -> str:
    name = authority.partition("]")[0].removeprefix("[") if authority.startswith("[") else authority.partition(":")[0]
    return name.lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_local(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)
