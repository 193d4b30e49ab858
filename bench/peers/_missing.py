"""Why a peer is not measured."""

__all__ = ("Missing",)


class Missing(Exception):
    """The peer is not installed, or has no such kernel."""
