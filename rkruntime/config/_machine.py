"""What the machine has, as far as configurations are checked against it."""

from __future__ import annotations

from typing import Self

import attrs

from rkruntime.machine import usable_cores, usable_memory_bytes

__all__ = ("Machine",)


@attrs.frozen(kw_only=True)
class Machine:
    """A machine.

    Args:
        cores: Cores that this process may use.
        memory_bytes: Its main memory, or the container's.
    """

    cores: int
    memory_bytes: int

    @classmethod
    def here(cls) -> Self:
        """Measure this machine."""
        return cls(cores=usable_cores(), memory_bytes=usable_memory_bytes())
