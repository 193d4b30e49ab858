"""Errors of actors: messages, crashes, limits."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from rkruntime.errors._base import RkError, told

__all__ = (
    "ActorCrashed",
    "ActorStopped",
    "AskCycle",
    "DeadlineExceeded",
    "InstanceLimit",
    "MessageCancelled",
    "NameTaken",
    "Overloaded",
    "RestartLimit",
)


@attrs.define(eq=False)
class Overloaded(RkError):
    """The mailbox is full and its policy is to refuse."""

    actor: str
    capacity: int

    def __str__(self) -> str:
        return told(
            f"the mailbox of {self.actor!r} holds its {self.capacity} messages",
            "send less at once, raise mailbox_capacity, or take the waiting policy",
        )


@attrs.define(eq=False)
class ActorCrashed(RkError):
    """The handler raised; the cause is `__cause__`. The message is not delivered again."""

    actor: str
    message: str
    cause: str

    def __str__(self) -> str:
        return told(
            f"actor {self.actor!r} crashed in {self.message}: {self.cause}",
            "the cause is attached (__cause__); the message is not redelivered, so send it again if that is safe",
        )


@attrs.define(eq=False)
class MessageCancelled(RkError):
    """A message was cancelled before its handler finished."""

    actor: str
    message: str
    reason: str

    def __str__(self) -> str:
        return told(f"{self.message} on {self.actor!r} was cancelled: {self.reason}", "send it again with more time")


@attrs.define(eq=False)
class AskCycle(RkError):
    """An actor that handles one message at a time asks itself, perhaps through others: nobody could ever answer."""

    actor: str
    path: Sequence[str]

    def __str__(self) -> str:
        path = " → ".join([*self.path, self.actor])
        return told(
            f"asking {self.actor!r} from inside its own handler would wait for ever: {path}",
            "use tell, or call the method",
        )


@attrs.define(eq=False)
class ActorStopped(RkError):
    """The actor is gone, for good."""

    actor: str
    reason: str = "it was stopped"

    def __str__(self) -> str:
        return told(f"actor {self.actor!r} takes no messages: {self.reason}", "spawn a new one")


@attrs.define(eq=False)
class RestartLimit(RkError):
    """The actor crashed more often than its restart window allows."""

    actor: str
    max_restarts: int
    within_s: float

    def __str__(self) -> str:
        return told(
            f"actor {self.actor!r} needed more than {self.max_restarts} restarts within {self.within_s:g} s",
            "mend what makes it crash (see __cause__), or widen Restart(max_restarts=..., within=...)",
        )


@attrs.define(eq=False)
class InstanceLimit(RkError):
    """One kernel actor more than `max_kernel_instances`."""

    limit: int
    live: int

    def __str__(self) -> str:
        return told(
            f"{self.live} kernel actors live, and max_kernel_instances is {self.limit}",
            "stop one that is not needed, or raise max_kernel_instances",
        )


@attrs.define(eq=False)
class NameTaken(RkError):
    """Names of live actors are unique."""

    name: str

    def __str__(self) -> str:
        return told(f"an actor named {self.name!r} lives already", "leave the name out, or choose another")


@attrs.define(eq=False)
class DeadlineExceeded(RkError, TimeoutError):
    """The message's deadline passed before its answer."""

    actor: str
    message: str
    deadline_s: float

    def __str__(self) -> str:
        return told(
            f"{self.message} on {self.actor!r} had {self.deadline_s:g} s and needed more",
            "give it a longer deadline, or the actor less to do",
        )
