"""Build the DrainReport from the ledger and from what the memory found at its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from rkruntime.actors import Outcomes
from rkruntime.memory import Leak
from rkruntime.runtime._records import ActorOutcome, DrainReport, LeakRecord

__all__ = ("make_report",)


def make_report(
    outcomes: Mapping[str, Outcomes], unstoppable: Mapping[str, int], leaks: Sequence[Leak], duration_s: float
) -> DrainReport:
    """Put the counts together.

    Args:
        outcomes: By actor, how its messages in flight at the beginning of the drain ended.
        unstoppable: By actor, launches that the device could not stop and that had not ended at the end: the ledger
            calls their messages cancelled, but their work was abandoned.
        leaks: Device arrays of callers that were never freed.
        duration_s: From Draining to now.
    """
    by_actor = {name: _outcome(counts, unstoppable.get(name, 0)) for name, counts in outcomes.items()}
    return DrainReport(
        completed=sum(o.completed for o in by_actor.values()),
        cancelled=sum(o.cancelled for o in by_actor.values()),
        failed=sum(o.failed for o in by_actor.values()),
        abandoned=sum(o.abandoned for o in by_actor.values()),
        leaked=tuple(LeakRecord(owner=leak.owner, size_bytes=leak.size_bytes, place=leak.place) for leak in leaks),
        duration_s=duration_s,
        by_actor=by_actor,
    )


def _outcome(counts: Outcomes, unstoppable: int) -> ActorOutcome:
    moved = min(unstoppable, counts.cancelled)
    outcome = ActorOutcome(**attrs.asdict(counts))
    return attrs.evolve(outcome, cancelled=outcome.cancelled - moved, abandoned=outcome.abandoned + moved)
