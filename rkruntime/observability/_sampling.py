"""Which work begins a trace: a fraction of it, and no more than so many a second."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator

from rkruntime.context import RANDOM, Trace

__all__ = ("begin_traces",)

BURST_S = 1.0
"""After a quiet time, so many seconds' worth of traces may begin at once."""
BLIND = 16
"""Pieces of work that go untraced once too many were, before the clock is looked at again."""


def begin_traces(ratio: float, rate_limit: float, now: Callable[[], float] = time.monotonic) -> Iterator[Trace | None]:
    """Yield what each piece of work gets: no trace, or one of its own. For one thread.

    How many go untraced between two is drawn at once, from the geometric distribution, so that asking for one more
    costs next to nothing. The rate is held by the generic cell rate algorithm (ITU-T I.371, annex A).

    Args:
        ratio: The fraction that is traced, at random.
        rate_limit: Traces that begin in a second at most, in the long run.
        now: A clock, in seconds.
    """
    return itertools.chain.from_iterable(_runs(ratio, rate_limit, now))


def _runs(ratio: float, rate_limit: float, now: Callable[[], float]) -> Iterator[Iterable[Trace | None]]:
    """Yield what pieces of work get, a run of them at a time."""
    due_s = -math.inf
    while ratio > 0.0:
        between = 0 if ratio >= 1.0 else int(math.log(1.0 - RANDOM.random()) / math.log1p(-ratio))
        yield itertools.repeat(None, between)
        now_s = now()
        due_s = max(due_s, now_s - BURST_S)
        if due_s <= now_s:
            due_s += 1.0 / rate_limit
            yield (Trace.begin(),)
        else:
            yield itertools.repeat(None, BLIND)
    yield itertools.repeat(None)
