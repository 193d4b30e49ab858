"""How fast one caller may ask: a token bucket for each. Pure but for the table that `Rates` keeps.

The bucket holds `burst` tokens, gains `rate` a second, and each request takes one (ITU-T I.371's leaky bucket,
turned over).
"""

from __future__ import annotations

import math
from collections import OrderedDict

import attrs

__all__ = ("Bucket", "Rates", "take")

MOST_CALLERS = 10_000
"""Callers remembered, those who asked last; whoever is forgotten begins with a full bucket."""


@attrs.frozen
class Bucket:
    """Tokens that there were at a time."""

    tokens: float
    at_s: float


def take(bucket: Bucket, now_s: float, rate: float, burst: float) -> tuple[Bucket, float]:
    """Take a token.

    Returns:
        The bucket afterwards, and the seconds to wait until there is a token: 0 where one was taken.
    """
    tokens = min(burst, bucket.tokens + (now_s - bucket.at_s) * rate)
    if tokens >= 1.0:
        return Bucket(tokens - 1.0, now_s), 0.0
    return Bucket(tokens, now_s), (1.0 - tokens) / rate


class Rates:
    """The buckets of all callers.

    Args:
        rate: Tokens a second; None for no limit.
        burst: Tokens of a full bucket.
    """

    def __init__(self, rate: float | None, burst: float) -> None:
        self._rate = math.inf if rate is None else rate
        self._burst = burst
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def wait_s(self, caller: str, now_s: float) -> float:
        """Take a token of the caller's; return the seconds to wait where there is none."""
        if self._rate == math.inf:
            return 0.0
        bucket = self._buckets.get(caller) or Bucket(self._burst, now_s)
        self._buckets[caller], wait_s = take(bucket, now_s, self._rate, self._burst)
        self._buckets.move_to_end(caller)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        return wait_s
