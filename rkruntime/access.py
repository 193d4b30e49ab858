"""Who may do what: roles, permissions, and the one table between them, for HTTP and for the control socket alike.

A role may do what its permissions say, and nothing is permitted that is not in the table.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from types import MappingProxyType

__all__ = ("LEAST_ROLE", "Permission", "Role", "highest_role", "may", "read_role_map", "role_of_user")


class Role(enum.StrEnum):
    """What somebody is to the service; each may do all that those before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Permission(enum.StrEnum):
    """What there is to permit."""

    READ = "read"
    LAUNCH = "launch"
    DRAIN = "drain"
    ADMIN = "admin"


_RANK: Mapping[Role, int] = MappingProxyType({role: rank for rank, role in enumerate(Role)})

LEAST_ROLE: Mapping[Permission, Role] = MappingProxyType(
    {
        Permission.READ: Role.VIEWER,
        Permission.LAUNCH: Role.OPERATOR,
        Permission.DRAIN: Role.ADMIN,  # programs that launch hold the role operator: none of them may end the service
        Permission.ADMIN: Role.ADMIN,
    }
)
"""Permission -> the least of the roles that have it."""
NO_ROLES: Mapping[str, Role] = MappingProxyType({})
_LEAST: Mapping[str, Role] = MappingProxyType({permission.value: role for permission, role in LEAST_ROLE.items()})


def may(role: Role | None, permission: str) -> bool:
    """Whether a role has a permission.

    Args:
        role: The role; None for somebody who has none, and so may do nothing.
        permission: The permission's name; one that is not in the table is nobody's.
    """
    least = _LEAST.get(permission)
    return role is not None and least is not None and _RANK[role] >= _RANK[least]


def read_role_map(text: str | None) -> Mapping[str, Role]:
    """Read `name=role; name=role`; a name may hold `=`, since the last one counts."""
    entries = (entry.rpartition("=") for entry in (text or "").split(";") if entry.strip())
    return MappingProxyType({name.strip(): Role(role.strip()) for name, _, role in entries})


def highest_role(names: Iterable[str], roles: Mapping[str, Role]) -> Role | None:
    """Return the highest role that one of the names gives; None where none gives any."""
    return max((roles[name] for name in names if name in roles), key=_RANK.__getitem__, default=None)


def role_of_user(user: int, own: int, names: Iterable[str] = (), roles: Mapping[str, Role] = NO_ROLES) -> Role | None:
    """Return the role of a system's user at a Unix socket, who is told by the kernel and so needs no key.

    Args:
        user: The user at the other end.
        own: The user for whom this process acts: it and root can read its memory, and end it, anyway.
        names: What that user is to the system: `user:ann`, `user:1001`, `group:lab`, `group:2000`.
        roles: The roles that such names give; whoever has none of them has no role.
    """
    return Role.ADMIN if user in (own, 0) else highest_role(names, roles)
