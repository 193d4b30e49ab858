"""The running counts, and the frozen statistics that are read from them."""

from __future__ import annotations

import html
import math
from typing import Any

import attrs

from rkruntime.memory._pressure import PressureLevel
from rkruntime.units import format_bytes

__all__ = ("Account", "ClassStats", "MemoryStats", "OwnerStats")


class Account:
    """The counts that change with every allocation, and the edges at which something is to be decided.

    All else (cached, per class, idle) follows from the pools when it is asked for, so it costs nothing here.

    What is counted and compared at every allocation is a float: exact for whole numbers to 2^53, and as fast for a
    full device as for an empty one. CPython's integers take longer from 2^30 on.
    """

    __slots__ = ("allocated", "fall_below", "peak", "rise_at", "slack")

    def __init__(self) -> None:
        self.allocated = 0.0
        self.slack = 0.0  # what the blocks in use hold beyond what was asked for
        self.peak = 0.0
        self.fall_below = 0.0
        self.rise_at = math.inf

    @property
    def allocated_bytes(self) -> int:
        """Bytes of the blocks in use."""
        return int(self.allocated)

    @property
    def requested_bytes(self) -> int:
        """Bytes that were asked for, of those in use."""
        return int(self.allocated - self.slack)

    @property
    def peak_bytes(self) -> int:
        """The most bytes that were ever in use at once."""
        return int(self.peak)


@attrs.frozen(kw_only=True)
class ClassStats:
    """One size class.

    Args:
        block_bytes: Size of its blocks; 0 for the one row of unpooled memory, whose blocks differ.
        live: Blocks in use.
        idle: Blocks that the next request may take.
        quarantined: Freed blocks whose last use has not finished.
        allocated_bytes: Bytes of the blocks in use.
        reserved_bytes: Bytes taken from the device for this class, slabs included.
    """

    block_bytes: int
    live: int
    idle: int
    quarantined: int
    allocated_bytes: int
    reserved_bytes: int


@attrs.frozen(kw_only=True)
class OwnerStats:
    """One owner: an actor, a scope or the caller."""

    name: str
    kind: str
    allocated_bytes: int
    buffers: int


@attrs.frozen(kw_only=True)
class MemoryStats:
    """Where the memory is, at one moment; all in bytes.

    Args:
        level: The pressure level.
        limit_bytes: `max_gpu_memory`.
        requested_bytes: What the live buffers asked for.
        allocated_bytes: What their blocks hold.
        cached_bytes: Reserved but not allocated: idle and quarantined blocks, uncarved parts of slabs.
        quarantined_bytes: The part of `cached_bytes` that waits for its last use to finish.
        reserved_bytes: Taken from the device.
        peak_bytes: The most that was ever allocated at once.
        live_buffers: Buffers not freed.
        device_allocations: How often the device itself was asked.
        staging_reserved_bytes: Host staging memory held.
        staging_used_bytes: Host staging memory in use by copies.
        staging_limit_bytes: `max_staging_memory`.
        classes: One row for each size class that was used.
        owners: One row for each owner with memory, the largest first.
    """

    level: PressureLevel
    limit_bytes: int
    requested_bytes: int
    allocated_bytes: int
    cached_bytes: int
    quarantined_bytes: int
    reserved_bytes: int
    peak_bytes: int
    live_buffers: int
    device_allocations: int
    staging_reserved_bytes: int
    staging_used_bytes: int
    staging_limit_bytes: int
    classes: tuple[ClassStats, ...]
    owners: tuple[OwnerStats, ...]

    @property
    def pool_utilization(self) -> float:
        """Allocated over reserved, from 0 to 1; 0 with nothing reserved."""
        return self.allocated_bytes / self.reserved_bytes if self.reserved_bytes else 0.0

    @property
    def waste(self) -> float:
        """The part of the allocated bytes that nobody asked for, from 0 to 1."""
        return 1.0 - self.requested_bytes / self.allocated_bytes if self.allocated_bytes else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, text, lists and dicts, fit for JSON."""
        told = attrs.asdict(self, recurse=True)
        told["classes"] = [attrs.asdict(row) for row in self.classes]
        told["owners"] = [attrs.asdict(row) for row in self.owners]
        return told | {"level": str(self.level), "pool_utilization": self.pool_utilization, "waste": self.waste}

    def _repr_html_(self) -> str:
        totals = (
            ("level", str(self.level)),
            ("allocated", f"{format_bytes(self.allocated_bytes)} of {format_bytes(self.limit_bytes)}"),
            ("cached", format_bytes(self.cached_bytes)),
            ("reserved", format_bytes(self.reserved_bytes)),
            ("peak", format_bytes(self.peak_bytes)),
            ("pool utilization", f"{self.pool_utilization:.0%}"),
        )
        owners = ((f"{row.kind} {row.name}", format_bytes(row.allocated_bytes)) for row in self.owners)
        rows = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in (*totals, *owners))
        return f"<table><caption>Device memory</caption>{rows}</table>"
