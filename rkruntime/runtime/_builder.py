"""Build a runtime step by step, as the RustKernels chapter does."""

from __future__ import annotations

from typing import Any, Self

import attrs

from rkruntime.config import MemoryConfig, RuntimeConfig, RuntimePreset
from rkruntime.device import Device
from rkruntime.runtime._runtime import Runtime

__all__ = ("RuntimeBuilder",)


class RuntimeBuilder:
    """Collects settings; `build` checks them all and makes a runtime in state Created.

    A later setting replaces an earlier one; `preset` replaces all that came before it.
    """

    def __init__(self) -> None:
        self._config = RuntimeConfig()
        self._device: Device | None = None

    def preset(self, preset: RuntimePreset | str) -> Self:
        """Begin from a preset: development, production, high_performance (`hp`) or testing."""
        self._config = RuntimeConfig.from_preset(preset)
        return self

    def with_max_instances(self, count: int) -> Self:
        """Let `count` kernel actors live at once."""
        return self._with(max_kernel_instances=count)

    def with_worker_threads(self, count: int) -> Self:
        """Give the CPU device `count` worker threads."""
        return self._with(worker_threads=count)

    def with_blocking_threads(self, count: int) -> Self:
        """Let `count` threads run blocking calls, compilers among them."""
        return self._with(blocking_threads=count)

    def with_shutdown_timeout(self, seconds: float) -> Self:
        """Give work in flight `seconds` to finish during a drain."""
        return self._with(shutdown_timeout=seconds)

    def with_health_check_interval(self, seconds: float) -> Self:
        """Check health every `seconds`."""
        return self._with(health_check_interval=seconds)

    def with_gpu(self, enabled: bool) -> Self:
        """Use a GPU if there is one."""
        return self._with(gpu_enabled=enabled)

    def with_memory(self, memory: MemoryConfig) -> Self:
        """Take these memory limits and pools."""
        return self._with(memory=memory)

    def with_device(self, device: Device | str) -> Self:
        """Open this device: `auto`, `cpu` or `cuda`, or one that is open already and then belongs to the runtime."""
        if isinstance(device, str):
            return self._with(device=device)
        self._device = device
        return self

    def build(self) -> Runtime:
        """Make the runtime, in state Created."""
        return Runtime(self._config, device=self._device)

    def _with(self, **settings: Any) -> Self:
        self._config = attrs.evolve(self._config, **settings)
        return self
