"""What happened, as frozen records: for hooks, logs, tests and people."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from rkruntime.access import Role
from rkruntime.runtime._lifecycle import State
from rkruntime.units import format_bytes, format_seconds

__all__ = (
    "ActorOutcome",
    "Check",
    "ControlRequest",
    "DrainProgress",
    "DrainReport",
    "Health",
    "LeakRecord",
    "Transition",
)


@attrs.frozen(kw_only=True)
class Transition:
    """One move of the lifecycle.

    Args:
        before: The state left.
        after: The state entered.
        at_s: Trio's clock.
        cause: Why, where there is a reason to tell.
    """

    before: State
    after: State
    at_s: float
    cause: str = ""


@attrs.frozen(kw_only=True)
class Check:
    """One part's health: its name, whether it is well, and what there is to say."""

    name: str
    ok: bool
    detail: str = ""


@attrs.frozen(kw_only=True)
class Health:
    """What probes see.

    Args:
        state: The lifecycle's state.
        live: Whether the process is worth keeping.
        ready: Whether new requests are served.
        checks: The last health check, part by part.
        checked_s: Trio's clock at that check; None before the first.
    """

    state: State
    live: bool
    ready: bool
    checks: tuple[Check, ...] = ()
    checked_s: float | None = None


@attrs.frozen(kw_only=True)
class ControlRequest:
    """Somebody asked over the control socket.

    Args:
        request: `status` or `drain`; `connect` for a client that was refused before it could ask.
        user: The user at the other end, as the system knows it.
        process: That user's process.
        allowed: Whether it was let.
        role: The role that the user has here; None for none.
        name: The user's name, where it is neither the runtime's own nor root.
        why: Why it was refused; empty where it was let.
    """

    request: str
    user: int
    process: int
    allowed: bool
    role: Role | None = None
    name: str = ""
    why: str = ""


@attrs.frozen(kw_only=True)
class ActorOutcome:
    """How one actor's messages that were in flight at the beginning of a drain ended."""

    completed: int = 0
    cancelled: int = 0
    failed: int = 0
    abandoned: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.completed + self.cancelled + self.failed + self.abandoned


@attrs.frozen(kw_only=True)
class LeakRecord:
    """A caller's device array that was still there at the end: its size in bytes, and where it was allocated."""

    owner: str
    size_bytes: int
    place: str


@attrs.frozen(kw_only=True)
class DrainProgress:
    """How far a drain is.

    Args:
        began_in_flight: Messages in flight when it closed admission; until then, those in flight now.
        in_flight: Those of them that have not ended.
        deadline_s: When the rest is cancelled, by Trio's clock.
    """

    began_in_flight: int
    in_flight: int
    deadline_s: float


@attrs.frozen(kw_only=True)
class DrainReport:
    """How a shutdown ended: every message that was in flight when it began is in exactly one of four counts.

    Args:
        completed: Messages that finished.
        cancelled: Messages cancelled at the deadline, or withdrawn by their callers.
        failed: Messages whose handler raised.
        abandoned: Messages that had not ended when the runtime stopped waiting (a CUDA kernel cannot be stopped).
        leaked: Device arrays that a caller did not free.
        duration_s: Seconds from Draining to Stopped.
        by_actor: The four counts, actor by actor.
        compiling: Kernels whose compilation had not ended in the clean-up time: a compiler cannot be stopped, so each
            goes on in a thread of its own, with nobody waiting for it.
    """

    completed: int = 0
    cancelled: int = 0
    failed: int = 0
    abandoned: int = 0
    leaked: tuple[LeakRecord, ...] = ()
    duration_s: float = 0.0
    by_actor: Mapping[str, ActorOutcome] = attrs.field(factory=dict)
    compiling: tuple[str, ...] = ()

    @property
    def in_flight(self) -> int:
        """Messages in flight when the drain began: the sum of the four counts."""
        return self.completed + self.cancelled + self.failed + self.abandoned

    @property
    def clean(self) -> bool:
        """Whether all that was in flight finished, nothing leaked, and no thread is left."""
        return not (self.cancelled or self.failed or self.abandoned or self.leaked or self.compiling)

    def __str__(self) -> str:
        lines = [
            f"drained in {format_seconds(self.duration_s)}: {self.in_flight} in flight, {self.completed} completed, "
            f"{self.cancelled} cancelled, {self.failed} failed, {self.abandoned} abandoned, {len(self.leaked)} leaked"
        ]
        lines += [
            f"  {name}: {o.completed} completed, {o.cancelled} cancelled, {o.failed} failed, {o.abandoned} abandoned"
            for name, o in self.by_actor.items()
            if o.total
        ]
        lines += [
            f"  leaked {format_bytes(leak.size_bytes)} of {leak.owner}, allocated at {leak.place}"
            for leak in self.leaked
        ]
        lines += [f"  {name} still compiles, in a thread of its own" for name in self.compiling]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Turn the report into plain values, for JSON."""
        return attrs.asdict(self)

    def _repr_html_(self) -> str:
        rows: Sequence[tuple[str, ActorOutcome]] = [("all", self._sum()), *self.by_actor.items()]
        cells = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{o.completed}</td><td>{o.cancelled}</td><td>{o.failed}</td>"
            f"<td>{o.abandoned}</td></tr>"
            for name, o in rows
        )
        head = "<tr><th>actor</th><th>completed</th><th>cancelled</th><th>failed</th><th>abandoned</th></tr>"
        return f"<table><caption>{html.escape(str(self).splitlines()[0])}</caption>{head}{cells}</table>"

    def _sum(self) -> ActorOutcome:
        return ActorOutcome(
            completed=self.completed, cancelled=self.cancelled, failed=self.failed, abandoned=self.abandoned
        )
