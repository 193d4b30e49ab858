"""Counting the memory that kernels allocate, as numba-cuda's runtime for GPUs counts it: here numba's own does."""

from __future__ import annotations

from typing import Any

import numba.core.runtime._nrt_python

from rkruntime.dropin._numba import config, nrt

__all__ = ("HostRuntime",)

_numbas: Any = getattr(numba.core.runtime, "_nrt_python")  # noqa: B009 - which numba does not declare
_Runtime: Any = nrt._Runtime
_Counts: Any = nrt._nrt_mstats


class HostRuntime(_Runtime):  # type: ignore[misc]
    """The runtime that `numba.cuda.memory_management.rtsys` is."""

    def allocate(self, stream: Any = None) -> None:  # noqa: ARG002
        """Do nothing: numba allocates from the host's memory."""
        self._memsys = self

    def initialize(self, stream: Any = None) -> None:  # noqa: ARG002
        """Count from now on, where NUMBA_CUDA_NRT_STATS asks for it."""
        self._initialized = True
        if config.CUDA_NRT_STATS:
            _numbas.memsys_enable_stats()

    def set_memsys_to_module(self, module: Any, stream: Any = None) -> None:
        """Do nothing: compiled code knows where numba's runtime is."""

    def memsys_enable_stats(self, stream: Any = None) -> None:  # noqa: ARG002
        """Count from now on."""
        _numbas.memsys_enable_stats()

    def memsys_disable_stats(self, stream: Any = None) -> None:  # noqa: ARG002
        """Count no longer."""
        _numbas.memsys_disable_stats()

    def memsys_stats_enabled(self, stream: Any = None) -> bool:  # noqa: ARG002
        """Whether allocations are counted."""
        self.ensure_initialized()
        return bool(_numbas.memsys_stats_enabled())

    def get_allocation_stats(self, stream: Any = None) -> Any:
        """Return all counts; arrays that are passed to kernels, and functions for the CPU, count too.

        Raises:
            RuntimeError: Nothing is counted.
        """
        return _Counts(*(self._get_single_stat(name, stream) for name in _Counts._fields))

    def _get_single_stat(self, stat: str, stream: Any = None) -> int:
        if not self.memsys_stats_enabled(stream):
            raise RuntimeError("NRT stats are disabled.")
        return int(getattr(_numbas, f"memsys_get_stats_{stat}")())

    def print_memsys(self, stream: Any = None) -> None:
        """Print all counts."""
        print(self.get_allocation_stats(stream))
