"""What this process may use of the machine: its cores and its memory, a container's limits counted in."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ("usable_cores", "usable_memory_bytes")

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0))


def usable_memory_bytes() -> int:
    """Return the memory of the machine, or of the container if that has less."""
    usable = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CGROUP_LIMITS:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdecimal():
            usable = min(usable, int(text))
    return usable
