"""What a launch leaves behind: where it ran, and where its time went."""

from __future__ import annotations

from typing import Any, NamedTuple

from rkruntime.context import Trace
from rkruntime.device import Dim3

__all__ = ("LaunchDone", "LaunchRecord")


class LaunchRecord(NamedTuple):
    """One launch that came to its end; a tuple because one is made at every launch.

    Args:
        kernel: The kernel's name.
        device: The device's name.
        lowering: How the device ran it: `loop`, `fibers`, `cuda`.
        grid: Blocks in x, y, z.
        block: Threads a block in x, y, z.
        compile_s: Seconds spent compiling; 0 where the kernel was compiled before.
        copy_in_s: Seconds spent allocating and copying to the device.
        queue_s: Seconds spent waiting for the device.
        device_s: Seconds on the device.
        copy_out_s: Seconds spent copying back.
        total_s: Seconds from the call to its return.
        written: Places of the arguments, from 0, that the kernel may store to.
    """

    kernel: str
    device: str
    lowering: str
    grid: Dim3
    block: Dim3
    compile_s: float
    copy_in_s: float
    queue_s: float
    device_s: float
    copy_out_s: float
    total_s: float
    written: frozenset[int] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name, for JSON."""
        return self._asdict() | {"written": sorted(self.written)}


class LaunchDone(NamedTuple):
    """One launch's end, good or bad, for hooks.

    Args:
        launch: Its number in this process, from 1.
        kernel: The kernel's name.
        actor: Whose launch it was; empty outside actors.
        outcome: `completed`, `failed` or `cancelled`.
        began_s: Trio's clock.
        took_s: Seconds from the call to its return.
        record: Where its time went, if it completed.
        error: What it failed with.
        slot: The slot of the actor's message, as in `MessageDone`.
        trace: Its span, where it belongs to a trace.
    """

    launch: int
    kernel: str
    actor: str
    outcome: str
    began_s: float
    took_s: float
    record: LaunchRecord | None
    error: str = ""
    slot: int = 0
    trace: Trace | None = None
