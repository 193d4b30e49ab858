"""Actors under supervision: typed messages, bounded mailboxes, restarts, and a ledger that loses nothing."""

from rkruntime.actors._actor import Actor as Actor
from rkruntime.actors._actor import StopActor as StopActor
from rkruntime.actors._mailbox import Answer as Answer
from rkruntime.actors._message_log import EndedMessages as EndedMessages
from rkruntime.actors._message_log import OnMessages as OnMessages
from rkruntime.actors._records import ActorCounts as ActorCounts
from rkruntime.actors._records import ActorEvent as ActorEvent
from rkruntime.actors._records import ActorInfo as ActorInfo
from rkruntime.actors._records import MessageDone as MessageDone
from rkruntime.actors._records import Outcomes as Outcomes
from rkruntime.actors._ref import Ref as Ref
from rkruntime.actors._restart import Policy as Policy
from rkruntime.actors._restart import Restart as Restart
from rkruntime.actors._restart import Strategy as Strategy
from rkruntime.actors._supervisor import SupervisorRef as SupervisorRef
from rkruntime.actors._system import ActorSystem as ActorSystem

__all__ = (
    "Actor",
    "ActorCounts",
    "ActorEvent",
    "ActorInfo",
    "ActorSystem",
    "Answer",
    "EndedMessages",
    "MessageDone",
    "OnMessages",
    "Outcomes",
    "Policy",
    "Ref",
    "Restart",
    "StopActor",
    "Strategy",
    "SupervisorRef",
)
