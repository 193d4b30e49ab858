"""What happened to actors, as frozen records for hooks; and what is known of an actor now."""

from __future__ import annotations

from typing import NamedTuple

import attrs

from rkruntime.context import Trace

__all__ = ("ActorCounts", "ActorEvent", "ActorInfo", "MessageDone", "Outcomes")


@attrs.frozen(kw_only=True)
class ActorEvent:
    """One turn in an actor's life.

    Args:
        actor: Its name.
        what: `started`, `crashed`, `restarting`, `restarted`, `stopped` or `escalated`.
        at_s: Trio's clock.
        error: What crashed it, where something did.
    """

    actor: str
    what: str
    at_s: float
    error: str = ""


class MessageDone(NamedTuple):
    """One message's end; a tuple, since one is made for every message.

    Args:
        actor: Whose message it was.
        message: The method's name.
        outcome: `completed`, `failed` or `cancelled`.
        waited_s: From its acceptance to its handler's start.
        ran_s: How long the handler ran.
        began_s: When its handler began, or its wait ended otherwise; Trio's clock.
        slot: Which of the actor's servers handled it, from 0: messages in one slot follow each other.
        trace: Its span, where it belongs to a trace.
    """

    actor: str
    message: str
    outcome: str
    waited_s: float
    ran_s: float
    began_s: float = 0.0
    slot: int = 0
    trace: Trace | None = None


class ActorCounts(NamedTuple):
    """What is counted of an actor; a tuple, since a scrape reads a thousand of them.

    Args:
        actor: Its name.
        messages: Messages that have ended.
        restarts: How often it was restarted.
        memory_bytes: What it holds.
        mailbox_depth: Messages that wait.
        in_flight: Messages that were accepted and have not ended.
    """

    actor: str
    messages: int
    restarts: int
    memory_bytes: int
    mailbox_depth: int
    in_flight: int


@attrs.frozen(kw_only=True)
class Outcomes:
    """How the messages that were in flight at the ledger's mark have ended; those that have not are abandoned."""

    completed: int = 0
    cancelled: int = 0
    failed: int = 0
    abandoned: int = 0


@attrs.frozen(kw_only=True)
class ActorInfo:
    """What is known of one actor now.

    Args:
        name: Unique among live actors.
        kind: Its class.
        state: `starting`, `running`, `restarting`, `stopping` or `stopped`.
        mailbox_depth: Messages that wait.
        in_flight: Messages that wait or run.
        restarts: Restarts so far.
        messages: Messages handled so far.
        memory_bytes: Device memory that it holds.
        last_error: What crashed it last, if anything did.
    """

    name: str
    kind: type
    state: str
    mailbox_depth: int
    in_flight: int
    restarts: int
    messages: int
    memory_bytes: int
    last_error: str = ""
