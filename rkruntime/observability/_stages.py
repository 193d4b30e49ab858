"""The stages of a launch as stretches of time, made from the seconds that its record tells."""

from __future__ import annotations

from typing import NamedTuple

from rkruntime.kernels import LaunchDone

__all__ = ("Stage", "stages_of")


class Stage(NamedTuple):
    """One stage of a launch, by Trio's clock."""

    name: str
    began_s: float
    ended_s: float


def stages_of(done: LaunchDone) -> list[Stage]:
    """Return the stages that took any time, one after another within the launch.

    A record tells how long each took: the copy in comes in parts around the compilation, and is put behind it. The
    copy out ends with the launch; what lies before it and belongs to no stage is the way back to the caller's task.
    """
    record = done.record
    if record is None:
        return []
    end_s = done.began_s + done.took_s
    stages = []
    at_s = done.began_s
    took = {
        "compile": record.compile_s,
        "copy in": record.copy_in_s,
        "queue": record.queue_s,
        "device": record.device_s,
    }
    for name, seconds in took.items():
        if seconds > 0.0 and at_s < end_s:
            stages.append(Stage(name, at_s, min(at_s + seconds, end_s)))
            at_s = stages[-1].ended_s
    if record.copy_out_s > 0.0 and at_s < end_s:
        stages.append(Stage("copy out", max(at_s, end_s - record.copy_out_s), end_s))
    return stages
