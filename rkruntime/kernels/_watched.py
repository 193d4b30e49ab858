"""Launches that somebody hears of: each has a number and a span of its own, and leaves a record however it ends."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import trio

from rkruntime.context import LAUNCH, TRACE, TURNS
from rkruntime.errors import LaunchCancelled
from rkruntime.kernels._records import LaunchDone, LaunchRecord

__all__ = ("OnLaunch", "watched")

OnLaunch = Callable[[LaunchDone], None]

_NUMBERS = itertools.count(1)


async def watched(
    kernel: str, launch: Coroutine[Any, Any, LaunchRecord], tell: OnLaunch, clock: trio.abc.Clock
) -> LaunchRecord:
    """Await `launch` under ids of its own, and tell how it ended, by this run's clock."""
    above = TRACE.get()
    trace = above.child() if above is not None and above.sampled else above
    number = next(_NUMBERS)
    of_launch = LAUNCH.set(number)
    of_trace = None if trace is above else TRACE.set(trace)
    outcome, why, record = "completed", "", None
    began_s = clock.current_time()
    try:
        record = await launch
        return record
    except (trio.Cancelled, LaunchCancelled):
        outcome = "cancelled"
        raise
    except BaseException as error:
        outcome, why = "failed", f"{type(error).__name__}: {error}"
        raise
    finally:
        took_s = clock.current_time() - began_s
        LAUNCH.reset(of_launch)
        if of_trace is not None:
            TRACE.reset(of_trace)
        turns = TURNS.get()
        actor, slot = (turns[-1].actor, turns[-1].slot) if turns else ("", 0)
        fields = (number, kernel, actor, outcome, began_s, took_s, record, why, slot, trace)
        tell(tuple.__new__(LaunchDone, fields))  # as its own `__new__` does, in half the time
