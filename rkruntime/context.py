"""What a piece of work carries along: context variables, set where it enters and read wherever its work runs.

They travel with every message to an actor, so that a launch, its logs, metrics and spans know the request that they
belong to. The ids of traces are those of W3C Trace Context, https://www.w3.org/TR/trace-context/.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol

__all__ = (
    "IDENTITY",
    "LAUNCH",
    "RANDOM",
    "REQUEST_ID",
    "TRACE",
    "TURNS",
    "UNSAMPLED",
    "AtWork",
    "Trace",
    "current_ids",
    "follow_nobody",
    "following",
    "parse_traceparent",
)

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1
RANDOM = random.Random()
"""For ids and sampling: a program that seeds Python's own generator gets other ids in each process all the same."""


class Trace(NamedTuple):
    """A place in a distributed trace: one span.

    Args:
        trace_id: The trace, 128 bits; 0 where there is none.
        span_id: The span, 64 bits; children name it as their parent.
        sampled: Whether the trace is recorded.
        parent_id: The span above; 0 where there is none.
    """

    trace_id: int
    span_id: int
    sampled: bool
    parent_id: int = 0

    @classmethod
    def begin(cls, sampled: bool = True) -> Trace:
        """Begin a trace: a root span with new ids."""
        return cls(RANDOM.getrandbits(128) or 1, RANDOM.getrandbits(64) or 1, sampled)

    def child(self) -> Trace:
        """Return a new span under this one."""
        return Trace(self.trace_id, RANDOM.getrandbits(64) or 1, self.sampled, self.span_id)

    @property
    def trace_hex(self) -> str:
        """The trace's id, 32 hexadecimal digits."""
        return f"{self.trace_id:032x}"

    @property
    def span_hex(self) -> str:
        """The span's id, 16 hexadecimal digits."""
        return f"{self.span_id:016x}"

    @property
    def traceparent(self) -> str:
        """The header that hands this place on."""
        return f"00-{self.trace_hex}-{self.span_hex}-{int(self.sampled):02x}"


UNSAMPLED = Trace(0, 0, False)
"""Work that its sampler decided not to trace; what it leads to is not traced either."""


class AtWork(Protocol):
    """One message's turn at an actor."""

    @property
    def actor(self) -> str:
        """The actor's name."""
        ...

    @property
    def slot(self) -> int:
        """Which of the actor's servers handles it, from 0: messages in one slot follow each other."""
        ...


TRACE: ContextVar[Trace | None] = ContextVar("rkruntime_trace", default=None)
"""The span at work here; None where nobody has begun a trace."""
REQUEST_ID: ContextVar[str] = ContextVar("rkruntime_request_id", default="")
"""The request's id: the caller's `X-Request-Id` where that is well formed, else one made for it."""
IDENTITY: ContextVar[str] = ContextVar("rkruntime_identity", default="")
"""Who asks: the name that the caller was authenticated under; empty for nobody in particular."""
LAUNCH: ContextVar[int] = ContextVar("rkruntime_launch", default=0)
"""The number of the launch at work here; 0 for none. Launches are numbered where a hook hears of them."""
TURNS: ContextVar[tuple[AtWork, ...]] = ContextVar("rkruntime_turns", default=())
"""The messages whose handlers led here, the nearest last."""


def parse_traceparent(header: str) -> Trace | None:
    """Read the `traceparent` header of a request; None where it is none, which callers are to ignore.

    Source: W3C Trace Context, section 3.2: lower-case hexadecimal, no id of zeros, no version ff, and of later
    versions the four fields that are known.
    """
    found = _TRACEPARENT.fullmatch(header.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return Trace(int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & _SAMPLED))


@contextmanager
def following(traceparent: str = "", request_id: str = "") -> Iterator[None]:
    """Do the work of the block on behalf of a caller elsewhere: what it leads to carries the caller's ids.

    Args:
        traceparent: The caller's header; one that cannot be read is ignored.
        request_id: What the caller calls the request.
    """
    trace = parse_traceparent(traceparent) or TRACE.get()
    tokens = TRACE.set(trace), REQUEST_ID.set(request_id or REQUEST_ID.get())
    try:
        yield
    finally:
        TRACE.reset(tokens[0])
        REQUEST_ID.reset(tokens[1])


def follow_nobody() -> None:
    """Carry nothing on, in the task that calls this: it outlives what led to it."""
    TURNS.set(())
    TRACE.set(None)
    REQUEST_ID.set("")
    IDENTITY.set("")
    LAUNCH.set(0)


def current_ids() -> dict[str, Any]:
    """Return the ids that there are here, for logs: `actor`, `launch`, `request_id`, `trace_id`, `span_id`."""
    ids: dict[str, Any] = {}
    if turns := TURNS.get():
        ids["actor"] = turns[-1].actor
    if launch := LAUNCH.get():
        ids["launch"] = launch
    if request_id := REQUEST_ID.get():
        ids["request_id"] = request_id
    trace = TRACE.get()
    if trace is not None and trace.trace_id:
        ids |= {"trace_id": trace.trace_hex, "span_id": trace.span_hex}
    return ids
