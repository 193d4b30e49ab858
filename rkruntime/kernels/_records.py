"""What a launch leaves behind: where it ran, and where its time went."""

from __future__ import annotations

from typing import Any

import attrs

from rkruntime.device import Dim3

__all__ = ("LaunchRecord",)


@attrs.frozen
class LaunchRecord:
    """One launch that came to its end.

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
        return attrs.asdict(self) | {"written": sorted(self.written)}
