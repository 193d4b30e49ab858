"""What the machine has, as far as configurations are checked against it."""

from __future__ import annotations

import os
from typing import Self

import attrs

__all__ = ("Machine",)


@attrs.frozen(kw_only=True)
class Machine:
    """A machine.

    Args:
        cores: Cores that this process may use.
        memory_bytes: Its main memory.
    """

    cores: int
    memory_bytes: int

    @classmethod
    def here(cls) -> Self:
        """Measure this machine."""
        return cls(
            cores=len(os.sched_getaffinity(0)), memory_bytes=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        )
