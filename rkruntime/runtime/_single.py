"""One error out of a group of one."""

from __future__ import annotations

import trio

__all__ = ("is_cancellation", "single")


def single(error: BaseException) -> BaseException:
    """Return the one error inside nested groups of one, or `error` itself where there are several.

    Trio's nurseries always raise groups; a caller who did one thing expects the one error that it met.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def is_cancellation(error: BaseException) -> bool:
    """Whether an error is nothing but Trio's cancellation, in groups or alone."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(is_cancellation, error.exceptions))
    return isinstance(error, trio.Cancelled)
