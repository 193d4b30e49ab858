"""Say how a run went: lines for people, a dict for programs."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from rkruntime.device import DeviceProperties
from rkruntime.kernels import LaunchRecord
from rkruntime.memory import MemoryStats
from rkruntime.runtime import DrainReport
from rkruntime.units import format_bytes, format_seconds

__all__ = ("Run", "as_dict", "as_text")

PARTS = (
    ("compile_s", "compile"),
    ("copy_in_s", "copy in"),
    ("queue_s", "queue"),
    ("device_s", "device"),
    ("copy_out_s", "copy out"),
    ("total_s", "total"),
)


@attrs.frozen(kw_only=True)
class Run:
    """One `rustkernel run`, over.

    Args:
        kernel: The kernel's name.
        repeat: How many launches were asked for.
        device: Where it ran.
        records: The launches that came to their end.
        memory: The device memory after the last of them.
        drain: How the runtime stopped.
        outputs: What was written, by argument: the file, and what was done to fit it.
    """

    kernel: str
    repeat: int
    device: DeviceProperties
    records: Sequence[LaunchRecord]
    memory: MemoryStats
    drain: DrainReport
    outputs: Mapping[str, tuple[str, str]]

    @property
    def interrupted(self) -> bool:
        """Whether a signal came before the last launch had ended."""
        return len(self.records) < self.repeat

    @property
    def seconds(self) -> dict[str, float]:
        """By part, the time in seconds: the median of all launches; compilation, which happens once, in all."""
        if not self.records:
            return {}
        split = {part: statistics.median(getattr(r, part) for r in self.records) for part, _ in PARTS}
        return split | {"compile_s": sum(r.compile_s for r in self.records)}


def as_dict(run: Run) -> dict[str, Any]:
    """Turn a run into plain values, for JSON; times in seconds, memory in bytes."""
    first = run.records[0] if run.records else None
    return {
        "kernel": run.kernel,
        "device": {"kind": run.device.kind, "name": run.device.name, "compute_units": run.device.compute_units},
        "lowering": first and first.lowering,
        "grid": first and first.grid,
        "block": first and first.block,
        "repeat": run.repeat,
        "completed": len(run.records),
        "interrupted": run.interrupted,
        "median": run.seconds,
        "launches": [record.to_dict() for record in run.records],
        "memory": {
            "limit_bytes": run.memory.limit_bytes,
            "allocated_bytes": run.memory.allocated_bytes,
            "cached_bytes": run.memory.cached_bytes,
            "peak_bytes": run.memory.peak_bytes,
        },
        "outputs": {name: file for name, (file, _) in run.outputs.items()},
        "drain": run.drain.to_dict(),
    }


def as_text(run: Run) -> str:
    """Say the same in lines."""
    lines = [f"{run.kernel} on {run.device.kind}: {run.device.name}, {run.device.compute_units} units"]
    if run.records:
        first = run.records[0]
        lines.append(f"  lowering  {first.lowering}, grid {_extent(first.grid)}, block {_extent(first.block)}")
        lines += [f"  {name:9} {format_seconds(run.seconds[part])}" for part, name in PARTS]
    if run.repeat > 1:
        lines.append(f"  {len(run.records):,} of {run.repeat:,} launches; times are medians, compile is in all")
    memory = run.memory
    lines.append(
        f"  memory    peak {format_bytes(memory.peak_bytes)}, cached {format_bytes(memory.cached_bytes)} "
        f"of {format_bytes(memory.limit_bytes)}"
    )
    lines += [f"  {name} -> {file}{f' ({said})' if said else ''}" for name, (file, said) in run.outputs.items()]
    return "\n".join([*lines, str(run.drain)])


def _extent(extent: Sequence[int]) -> str:
    return " x ".join(str(length) for length in extent)
