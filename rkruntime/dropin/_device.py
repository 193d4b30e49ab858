"""The device that scripts see: its name, its limits, and other attributes that a CUDA driver would answer for."""

from __future__ import annotations

import platform
import uuid
from collections.abc import Mapping
from pathlib import Path

from rkruntime.machine import usable_cores

__all__ = ("ATTRIBUTES", "COMPUTE_CAPABILITY", "device_name", "device_uuid")

COMPUTE_CAPABILITY = (8, 0)


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
    "MULTIPROCESSOR_COUNT": usable_cores(),
    "PAGEABLE_MEMORY_ACCESS": 1,
    "SINGLE_TO_DOUBLE_PRECISION_PERF_RATIO": 2,
    "TEXTURE_ALIGNMENT": 512,
    "TOTAL_CONSTANT_MEMORY": 64 * 1024,
    "UNIFIED_ADDRESSING": 1,
    "WARP_SIZE": 32,
}
"""Limits are those of CUDA devices, where `rkruntime.simt` keeps them; attributes left out are 0."""
