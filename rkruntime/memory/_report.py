"""Why memory did not suffice: the report that an `OutOfDeviceMemory` carries. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from rkruntime.memory._account import OwnerStats
from rkruntime.units import format_bytes, format_seconds

__all__ = ("OutOfMemoryReport", "Trend", "mends", "trend_of")

_TOP_OWNERS = 5


@attrs.frozen(kw_only=True)
class Trend:
    """How allocation moved over the samples kept.

    Args:
        change_bytes: Allocated at the end less allocated at the beginning.
        over_s: Seconds between the two.
    """

    change_bytes: int
    over_s: float

    def __str__(self) -> str:
        if self.over_s == 0:
            return "no earlier sample"
        sign = "up" if self.change_bytes > 0 else "down" if self.change_bytes < 0 else "level,"
        return f"{sign} {format_bytes(abs(self.change_bytes))} over the last {format_seconds(self.over_s)}"


@attrs.frozen(kw_only=True)
class OutOfMemoryReport:
    """What was asked, what there is, who holds it, and what would make the request fit.

    Args:
        wanted_bytes: What was asked for.
        block_bytes: The block that it needs.
        limit_bytes: `max_gpu_memory`.
        allocated_bytes: In use.
        cached_bytes: Reserved but not in use, after everything idle was released.
        quarantined_bytes: The part of `cached_bytes` that waits for work in flight.
        reserved_bytes: Taken from the device.
        device_refused: The device itself had no more, below the limit.
        owners: The largest owners, largest first.
        trend: How allocation moved lately.
        mends: What would make it fit, one line each.
    """

    wanted_bytes: int
    block_bytes: int
    limit_bytes: int
    allocated_bytes: int
    cached_bytes: int
    quarantined_bytes: int
    reserved_bytes: int
    device_refused: bool
    owners: tuple[OwnerStats, ...]
    trend: Trend
    mends: tuple[str, ...] = ()

    def __str__(self) -> str:
        owners = [
            f"    {row.kind} {row.name!r}: {format_bytes(row.allocated_bytes)} in {row.buffers} buffers"
            for row in self.owners[:_TOP_OWNERS]
        ]
        refused = ["  the device itself refused, below the limit"] if self.device_refused else []
        return "\n".join(
            [
                f"  asked: {format_bytes(self.wanted_bytes)}, as a block of {format_bytes(self.block_bytes)}",
                f"  limit: {format_bytes(self.limit_bytes)}, reserved {format_bytes(self.reserved_bytes)}: "
                f"{format_bytes(self.allocated_bytes)} allocated, {format_bytes(self.cached_bytes)} cached "
                f"({format_bytes(self.quarantined_bytes)} of it behind work in flight)",
                *refused,
                f"  trend: {self.trend}",
                "  largest owners:" if owners else "  no owner holds memory",
                *owners,
                *(f"  mend: {line}" for line in self.mends),
            ]
        )


def trend_of(samples: Sequence[tuple[float, int]]) -> Trend:
    """Return how allocation moved between the first and the last of `(seconds, bytes)` samples."""
    if len(samples) < 2:
        return Trend(change_bytes=0, over_s=0.0)
    (first_s, first), (last_s, last) = samples[0], samples[-1]
    return Trend(change_bytes=last - first, over_s=last_s - first_s)


def mends(report: OutOfMemoryReport) -> tuple[str, ...]:
    """Say what would make the request of `report` fit."""
    if report.block_bytes > report.limit_bytes:
        return (
            f"raise max_gpu_memory to at least {report.block_bytes:,} bytes, or ask for less than "
            f"{report.limit_bytes:,} at once: this request is larger than the whole limit",
        )
    lines = []
    free_bytes = 0 if report.device_refused else report.limit_bytes - report.reserved_bytes
    missing = max(report.block_bytes - free_bytes, 1)
    if report.quarantined_bytes:
        enough = "enough" if report.quarantined_bytes >= missing else "not enough alone"
        lines.append(f"wait for work in flight: it holds {report.quarantined_bytes:,} bytes, {enough}")
    if report.owners:
        top = report.owners[0]
        lines.append(f"free {missing:,} bytes; {top.kind} {top.name!r} holds {top.allocated_bytes:,}")
    if report.device_refused:
        lines.append("stop other programs on this device, or lower max_gpu_memory to what it really has")
    else:
        lines.append(f"raise max_gpu_memory to at least {report.reserved_bytes + report.block_bytes:,} bytes")
    return tuple(lines)
