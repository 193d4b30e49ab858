"""Running a compiled kernel to its end: small launches on the caller's thread, others on workers of the process."""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any

from rkruntime.machine import usable_cores
from rkruntime.simt import Workers
from rkruntime.simt._runner import Extent, place_of_thread

__all__ = ("Engine",)

IN_PLACE_NS = 50e3


class Engine:
    """Runs launches for all threads of a process; workers start with the first launch that needs them.

    Args:
        count: How many workers.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = count or usable_cores()
        self._workers: Workers | None = None
        self._starting = threading.Lock()
        atexit.register(self.close)
        os.register_at_fork(after_in_child=self._forget)

    def run(self, special: Any, grid: Extent, block: Extent, args: tuple[Any, ...], shared_bytes: int) -> None:
        """Run a launch and wait until it is over.

        Raises:
            KernelFault: A thread of the kernel raised. A KeyboardInterrupt stops the launch and is raised on.
        """
        ns = special.ns_per_block
        if ns is not None and not special.has_open_loop and ns * (grid[0] * grid[1] * grid[2]) < IN_PLACE_NS:
            error, _ = place_of_thread().run(special, grid, block, args, shared_bytes)
        else:
            error = self._started().run(special, grid, block, args, shared_bytes)
        if error is not None:
            raise error

    def close(self) -> None:
        """End the workers; the next launch starts others."""
        with self._starting:
            workers, self._workers = self._workers, None
        if workers is not None:
            workers.close()

    def _started(self) -> Workers:
        with self._starting:
            if self._workers is None:
                self._workers = Workers(self.count, daemon=True)
            return self._workers

    def _forget(self) -> None:
        """Leave the parent's threads to the parent: a child of `fork` has none of them."""
        self._workers = None
        self._starting = threading.Lock()
