"""What lanes cannot take."""

from typing import Any

__all__ = ("LanesRefused", "refused_at")


class LanesRefused(Exception):
    """Lanes cannot take a kernel; the message says why."""


def refused_at(loc: Any, why: str) -> LanesRefused:
    """Make the exception for what stands at a place of the author's code.

    Args:
        loc: Numba's.
        why: The reason.
    """
    return LanesRefused(f"{why}: {loc.filename}:{loc.line}")
