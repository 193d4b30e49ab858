from collections.abc import Callable

import pytest
from memory_double import Double

from rkruntime.config import MemoryConfig
from rkruntime.memory import KernelMemoryManager


@pytest.fixture
def device() -> Double:
    return Double()


@pytest.fixture
def make(device: Double) -> Callable[..., KernelMemoryManager]:
    """Build a manager: `make(limit, scrub=True)`; `on=` another double."""

    def build(limit: int = 2**30, on: Double | None = None, clock=None, **settings) -> KernelMemoryManager:
        config = MemoryConfig(max_gpu_memory=limit, **settings)
        extra = {} if clock is None else {"clock": clock}
        return KernelMemoryManager(config, on or device, **extra)

    return build
