"""Who the system's users are: what they are called, and the groups that they are in, as it lists them now."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterator

__all__ = ("group_number", "names_of_user")


def names_of_user(user: int) -> tuple[str, ...]:
    """Return what a user goes by: `user:1001`, `user:ann`, and `group:` with each group's number and name.

    It may wait for a directory on the network. A name of digits alone is left out: digits are always a number.
    """
    try:
        entry = pwd.getpwuid(user)
    except KeyError:
        return (f"user:{user}",)
    named = () if entry.pw_name.isdigit() else (f"user:{entry.pw_name}",)
    return (f"user:{user}", *named, *_groups(os.getgrouplist(entry.pw_name, entry.pw_gid)))


def _groups(numbers: list[int]) -> Iterator[str]:
    for number in numbers:
        yield f"group:{number}"
        try:
            name = grp.getgrgid(number).gr_name
        except KeyError:
            continue
        if not name.isdigit():
            yield f"group:{name}"


def group_number(group: str) -> int | None:
    """Return a group's number by its name, or by its number; None where the system has no such name."""
    if group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return None
