"""What a handler raised, on its way from where it raised to those who answer it."""

from __future__ import annotations

import trio

from rkruntime.actors._actor import StopActor

__all__ = ("Crash", "Misfit", "cause_of", "only_cancelled", "without_cancelled")


class Crash(Exception):
    """Carries what a handler raised from where it raised to the end of the life."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


class Misfit(Exception):
    """The message's arguments do not fit its method: the sender's mistake, so the actor lives on."""

    def __init__(self, error: TypeError) -> None:
        super().__init__(error)
        self.error = error


def cause_of(raised: Exception) -> BaseException | None:
    """Return what the actor's own code raised, out of what carried it here; None where the actor ended itself."""
    if isinstance(raised, Crash):
        return raised.error
    if isinstance(raised, StopActor):
        return None
    if not isinstance(raised, ExceptionGroup):
        return raised
    crashes, others = raised.split(Crash)
    if crashes is not None:
        return _first(crashes)
    _, errors = others.split(StopActor) if others is not None else (None, None)
    return errors


def without_cancelled(raised: BaseException) -> BaseException | None:
    """Return what is left of `raised` besides cancellation; None where that was all."""
    if isinstance(raised, trio.Cancelled):
        return None
    return raised.split(trio.Cancelled)[1] if isinstance(raised, BaseExceptionGroup) else raised


def only_cancelled(raised: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what must go on when a life is cancelled from above: not its crashes, which were answered already."""
    errors = without_cancelled(raised)
    cancelled = raised.split(trio.Cancelled)[0]
    return raised if cancelled is None or not (errors is None or isinstance(errors, Exception)) else cancelled


def _first(crashes: ExceptionGroup[Crash]) -> BaseException:
    first = crashes.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first.error
