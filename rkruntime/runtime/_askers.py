"""Who asks at the control socket, and what they may: by the user that the system names, and by nothing they say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

import attrs
import trio

from rkruntime.access import LEAST_ROLE, Permission, Role, may, read_role_map, role_of_user
from rkruntime.control import names_of_user

__all__ = ("PERMISSIONS", "Asker", "Askers", "why_refused")

PERMISSIONS: Mapping[str, Permission] = MappingProxyType({"status": Permission.READ, "drain": Permission.DRAIN})
"""Request -> what whoever asks needs."""
KNOWN_WITHIN_S = 2.0
"""Seconds in which the system has to say what a user is called."""
LOOK_UPS = 4
"""Users who are looked up at once; a directory on the network may take its time."""
MOST_WAITING = 16
"""Users who may wait for that; whoever comes then is told to ask again."""


@attrs.frozen(kw_only=True)
class Asker:
    """Somebody at the other end.

    Args:
        process: Their process.
        user: Their user, as the system knows it.
        name: That user's name, where it had to be looked up and there is one.
        role: What they are here; None for nobody.
    """

    process: int
    user: int
    name: str = ""
    role: Role | None = None

    @property
    def called(self) -> str:
        """What to call them, in words and in `socket_role_map`."""
        return self.name or str(self.user)


class Askers:
    """Tells who asks.

    Args:
        role_map: `runtime.socket_role_map`.
    """

    waiting = 0
    """Users who are being looked up, and so are nobody's clients yet."""

    def __init__(self, role_map: str | None) -> None:
        self._roles = read_role_map(role_map)
        self._own = os.geteuid()
        self._limiter = trio.CapacityLimiter(LOOK_UPS)

    async def of(self, process: int, user: int) -> Asker | None:
        """Tell what a user is here; None while too many wait to be looked up: none of them keeps the own user away."""
        role = role_of_user(user, self._own)
        if role is not None or not self._roles:
            return Asker(process=process, user=user, role=role)
        if self.waiting >= MOST_WAITING:
            return None
        self.waiting += 1
        try:
            names = await self._names(user)
        finally:
            self.waiting -= 1
        name = next((told.removeprefix("user:") for told in names[1:] if told.startswith("user:")), "")
        return Asker(process=process, user=user, name=name, role=role_of_user(user, self._own, names, self._roles))

    async def _names(self, user: int) -> tuple[str, ...]:
        """Ask the system, for so long; what it does not say gives no role."""
        with trio.move_on_after(KNOWN_WITHIN_S), suppress(OSError):
            return await trio.to_thread.run_sync(names_of_user, user, abandon_on_cancel=True, limiter=self._limiter)
        return (f"user:{user}",)


def why_refused(asker: Asker, request: str) -> tuple[str, str] | None:
    """Decide on a request: None for one that they may make; else what is missing, and how to get it.

    Args:
        asker: Who asks.
        request: What they ask; `connect` for whatever it may be.
    """
    needed = PERMISSIONS.get(request, Permission.READ)
    if may(asker.role, needed):
        return None
    least = LEAST_ROLE[needed]
    mend = f'ask as its own user, or have runtime.socket_role_map say "user:{asker.called}={least}"'
    if asker.role is None:
        return f"it belongs to another user, and user {asker.called} has no role here", mend
    return f"{request} takes the role {least}, and user {asker.called} has the role {asker.role}", mend
