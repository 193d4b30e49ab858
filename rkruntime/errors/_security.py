"""Errors of what is written down of who did what."""

from __future__ import annotations

import attrs

from rkruntime.errors._base import RkError, told

__all__ = ("AuditUnavailable",)


@attrs.define(eq=False)
class AuditUnavailable(RkError):
    """The audit log cannot be written, and so nothing is done that would have to be in it."""

    path: str
    why: str

    def __str__(self) -> str:
        return told(
            f"the audit log {self.path} cannot be written: {self.why}",
            "make room for it; if it is damaged, see `rustkernel audit verify`, and move it away to begin a new one",
        )
