"""The device that scripts see: its name, its limits, and other attributes that a CUDA driver would answer for."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import Mapping
from pathlib import Path

__all__ = ("ATTRIBUTES", "COMPUTE_CAPABILITY", "device_name", "device_uuid", "machine_memory_bytes", "processors")

COMPUTE_CAPABILITY = (8, 0)
_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def machine_memory_bytes() -> int:
    """Return the memory of the machine, or of the container if that has less."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CGROUP_LIMITS:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            physical = min(physical, int(text))
    return physical


def device_name() -> str:
    """Return the name of the device: that kernels run on the processor, and which it is."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"rkruntime CPU device ({names[0] if names else platform.processor() or platform.machine()})"


def device_uuid() -> str:
    """Return an identity that is the same in all processes of this machine."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"rkruntime.{platform.node()}"))


ATTRIBUTES: Mapping[str, int] = {
    "ASYNC_ENGINE_COUNT": 1,
    "CAN_MAP_HOST_MEMORY": 1,
    "CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM": 1,
    "CLOCK_RATE": 1_000_000,
    "COMPUTE_CAPABILITY_MAJOR": COMPUTE_CAPABILITY[0],
    "COMPUTE_CAPABILITY_MINOR": COMPUTE_CAPABILITY[1],
    "CONCURRENT_KERNELS": 1,
    "CONCURRENT_MANAGED_ACCESS": 1,
    "COOPERATIVE_LAUNCH": 1,
    "GLOBAL_MEMORY_BUS_WIDTH": 64,
    "GPU_OVERLAP": 1,
    "INTEGRATED": 1,
    "MANAGED_MEMORY": 1,
    "MAX_BLOCK_DIM_X": 1024,
    "MAX_BLOCK_DIM_Y": 1024,
    "MAX_BLOCK_DIM_Z": 64,
    "MAX_GRID_DIM_X": 2**31 - 1,
    "MAX_GRID_DIM_Y": 65535,
    "MAX_GRID_DIM_Z": 65535,
    "MAX_PITCH": 2**31 - 1,
    "MAX_REGISTERS_PER_BLOCK": 65536,
    "MAX_REGISTERS_PER_MULTIPROCESSOR": 65536,
    "MAX_SHARED_MEMORY_PER_BLOCK": 48 * 1024,
    "MAX_SHARED_MEMORY_PER_BLOCK_OPTIN": 48 * 1024,
    "MAX_SHARED_MEMORY_PER_MULTIPROCESSOR": 48 * 1024,
    "MAX_THREADS_PER_BLOCK": 1024,
    "MAX_THREADS_PER_MULTIPROCESSOR": 1024,
    "MEMORY_CLOCK_RATE": 1_000_000,
    "MULTIPROCESSOR_COUNT": processors(),
    "PAGEABLE_MEMORY_ACCESS": 1,
    "SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO": 2,
    "TEXTURE_ALIGNMENT": 512,
    "TOTAL_CONSTANT_MEMORY": 64 * 1024,
    "UNIFIED_ADDRESSING": 1,
    "WARP_SIZE": 32,
}
"""Limits are those of CUDA devices, where `rkruntime.simt` keeps them; attributes left out are 0."""
