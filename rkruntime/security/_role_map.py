"""From names that others give, as in tokens and certificates, to roles here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from rkruntime.access import Role

__all__ = ("highest_role", "read_role_map")


def read_role_map(text: str | None) -> Mapping[str, Role]:
    """Read `name=role; name=role`; a name may hold `=`, since the last one counts."""
    entries = (entry.rpartition("=") for entry in (text or "").split(";") if entry.strip())
    return MappingProxyType({name.strip(): Role(role.strip()) for name, _, role in entries})


def highest_role(names: Iterable[str], roles: Mapping[str, Role]) -> Role | None:
    """Return the highest role that one of the names gives; None where none gives any."""
    order = list(Role)
    return max((roles[name] for name in names if name in roles), key=order.index, default=None)
