"""What stands for the machine code of a kernel where scripts ask the driver about it, or give it hints."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

__all__ = ("HostFunction",)


class HostFunction:
    """A kernel's function, as the driver would know it.

    Args:
        name: The kernel's name.
        max_threads: Threads of the largest block that it runs with.
    """

    handle = 0

    def __init__(self, name: str, max_threads: int) -> None:
        self.name = name
        self.kernel = SimpleNamespace(attributes=SimpleNamespace(max_threads_per_block=max_threads))

    def cache_config(self, **preferences: Any) -> None:
        """Take a hint about the caches of a GPU; there are none."""

    def set_shared_memory_carveout(self, carveout: int) -> None:
        """Take a hint about the shared memory of a GPU.

        Args:
            carveout: Percent of the shared memory; -1 for the default.

        Raises:
            ValueError: It is no percentage.
        """
        if not -1 <= int(carveout) <= 100:
            raise ValueError(f"Carveout must be between -1 and 100, not {carveout}")
