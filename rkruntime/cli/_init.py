"""Try a configuration: does it fit the machine, does its device open, hold and compute."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import trio

from rkruntime.config import Machine, ProductionConfig, RuntimeConfig, examine_config
from rkruntime.errors import CanaryFailed, InvalidConfigurations
from rkruntime.runtime import open_runtime
from rkruntime.units import ByteSize, format_bytes, format_seconds

__all__ = ("as_lines", "try_out")

TRIED_BYTES = 2**20


def try_out(file: Path) -> dict[str, Any]:
    """Load a configuration file, and start a runtime with it once.

    Raises:
        InvalidConfigurations: It cannot work on this machine.
        DeviceUnavailable: Its device cannot be opened.
        CanaryFailed: The device does not compute, or does not keep what it is given.
    """
    examined = examine_config(file, machine=Machine.here())
    if examined.errors:
        raise InvalidConfigurations.of(examined.errors)
    loaded = examined.loaded
    found = trio.run(_try, loaded.config.runtime)
    warnings = [*loaded.warnings, *map(str, examined.warnings), *found.pop("warnings")]
    return {"file": str(file), "preset": _preset(loaded.config), **found, "ready": True, "warnings": warnings}


def _preset(config: ProductionConfig) -> str | None:
    return None if config.preset is None else str(config.preset)


async def _try(config: RuntimeConfig) -> dict[str, Any]:
    began_s = time.perf_counter()
    async with open_runtime(attrs.evolve(config, drain_grace=0.0)) as runtime:
        started_s = time.perf_counter() - began_s
        properties, stats = runtime.device.properties, runtime.memory.stats()
        sent = np.arange(min(TRIED_BYTES, stats.limit_bytes // 4) // 8, dtype=np.int64)
        async with runtime.memory.scope("init") as memory:
            kept = await (await memory.array(sent)).copy_to_host()
        if not np.array_equal(sent, kept):
            raise CanaryFailed(properties.name, "memory that keeps what it is given", "something else")
    over = stats.limit_bytes > properties.total_memory_bytes
    warning = (
        f"memory.max_gpu_memory = {ByteSize(stats.limit_bytes)} is more than the {properties.kind} device has: "
        f"{format_bytes(properties.total_memory_bytes)}"
    )
    return {
        "device": {"kind": properties.kind, "name": properties.name, "compute_units": properties.compute_units},
        "memory": {"limit_bytes": int(stats.limit_bytes), "total_bytes": properties.total_memory_bytes},
        "started_s": started_s,
        "warnings": [warning] if over else [],
    }


def as_lines(found: dict[str, Any]) -> str:
    """Say what was found, for people."""
    device, memory = found["device"], found["memory"]
    limit, total = format_bytes(memory["limit_bytes"]), format_bytes(memory["total_bytes"])
    return "\n".join(
        [
            f"  device  {device['kind']}: {device['name']}, {device['compute_units']} units",
            f"  memory  {limit} of {total}, written and read",
            f"  canary  launched, its result is right; started in {format_seconds(found['started_s'])}",
            "ready",
        ]
    )
