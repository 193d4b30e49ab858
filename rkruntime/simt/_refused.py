"""What lanes cannot take."""

__all__ = ("LanesRefused",)


class LanesRefused(Exception):
    """Lanes cannot take a kernel; the message says why."""
