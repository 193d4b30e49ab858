"""The base of every error, and the form of their text."""

from __future__ import annotations

__all__ = ("RkError", "told")


class RkError(Exception):
    """The base of everything that rkruntime raises on purpose."""


def told(what: str, how: str) -> str:
    """Say what is wrong, and below it how to mend it."""
    return f"{what}\n  mend: {how}"
