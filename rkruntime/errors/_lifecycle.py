"""Errors of the lifecycle: starting, draining, stopping."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from rkruntime.errors._base import RkError, told

__all__ = (
    "AlreadyStarted",
    "CanaryFailed",
    "Draining",
    "InvalidTransition",
    "NotRunning",
    "UnreachableState",
)


@attrs.define(eq=False)
class InvalidTransition(RkError):
    """The lifecycle has no such move; `allowed` are those it has."""

    current: str
    wanted: str
    allowed: Sequence[str] = ()

    def __str__(self) -> str:
        allowed = ", ".join(self.allowed) or "none: the state is final"
        return told(f"cannot move from {self.current} to {self.wanted}", f"allowed from {self.current}: {allowed}")


@attrs.define(eq=False)
class UnreachableState(RkError):
    """The lifecycle will not come to the awaited state any more."""

    current: str
    wanted: str

    def __str__(self) -> str:
        return told(
            f"waited for {self.wanted}, but the runtime is {self.current}", "see __cause__; build a new runtime"
        )


@attrs.define(eq=False)
class AlreadyStarted(RkError):
    """A runtime, an actor or a device starts once."""

    what: str
    state: str

    def __str__(self) -> str:
        return told(f"{self.what} was started before and is {self.state}", "build a new one; one object starts once")


@attrs.define(eq=False)
class NotRunning(RkError):
    """The runtime takes no work in this state."""

    state: str

    def __str__(self) -> str:
        return told(
            f"the runtime is {self.state}, so it takes no work",
            "use it inside `async with open_runtime(...)`, or await wait_for(State.RUNNING) first",
        )


@attrs.define(eq=False)
class Draining(RkError):
    """The runtime finishes what it has and takes nothing new."""

    retry_after_s: float

    def __str__(self) -> str:
        return told(
            "the runtime is draining: work in flight finishes, new work is refused",
            f"send the request to another instance, or again in {self.retry_after_s:g} s",
        )


@attrs.define(eq=False)
class CanaryFailed(RkError):
    """The kernel launched before Running did not give its known result."""

    device: str
    expected: str
    got: str

    def __str__(self) -> str:
        return told(
            f"the canary kernel on {self.device} gave {self.got}, not {self.expected}",
            "the device or its compiler is broken: try `--device cpu`, and check the driver",
        )
