"""Who somebody is, and how that is known."""

from __future__ import annotations

import attrs

from rkruntime.access import Role

__all__ = ("ANYONE", "Identity", "Unproven")


@attrs.frozen(kw_only=True)
class Identity:
    """Somebody who has proven who it is.

    Args:
        how: `key`, `token` or `certificate`; `anyone` where no role is demanded.
        id: What tells it from others known in the same way: a key's id, a token's subject, a certificate's name.
        name: What people call it.
        role: Its role; None for somebody who is known, and may do nothing.
    """

    how: str
    id: str
    name: str
    role: Role | None

    @property
    def label(self) -> str:
        """One text that no other identity has."""
        return f"{self.how}:{self.id}" if self.id else self.how


@attrs.frozen
class Unproven:
    """Why somebody is nobody: for the audit log, and never for whoever asked."""

    why: str


ANYONE = Identity(how="anyone", id="", name="anyone", role=Role.ADMIN)
"""Whoever asks where no role is demanded."""
