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

    A later setting replaces an earlier one; `preset` replaces all that came before it. There is a method for every
    field of `RuntimeConfig`.
    """

    def __init__(self) -> None:
        self._base = RuntimeConfig()
        self._settings: dict[str, Any] = {}
        self._device: Device | None = None
        self._instance: str | None = None

    def preset(self, preset: RuntimePreset | str) -> Self:
        """Begin from a preset: development, production, high_performance (`hp`) or testing."""
        self._base = RuntimeConfig.from_preset(preset)
        self._settings.clear()
        return self

    def with_gpu(self, enabled: bool) -> Self:
        """Use a GPU if there is one."""
        return self._with(gpu_enabled=enabled)

    def with_device(self, device: Device | str) -> Self:
        """Open this device: `auto`, `cpu` or `cuda`, or one that is open already and then belongs to the runtime."""
        if isinstance(device, str):
            return self._with(device=device)
        self._device = device
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

    def with_mailbox_capacity(self, count: int) -> Self:
        """Let `count` messages wait at one actor."""
        return self._with(mailbox_capacity=count)

    def with_shutdown_timeout(self, seconds: float) -> Self:
        """Give work in flight `seconds` to finish during a drain."""
        return self._with(shutdown_timeout=seconds)

    def with_drain_grace(self, seconds: float) -> Self:
        """Let `seconds` pass between Draining becoming visible and admission closing."""
        return self._with(drain_grace=seconds)

    def with_cleanup_timeout(self, seconds: float) -> Self:
        """Give cancelled handlers `seconds` to clean up."""
        return self._with(cleanup_timeout=seconds)

    def with_health_check_interval(self, seconds: float) -> Self:
        """Check health every `seconds`."""
        return self._with(health_check_interval=seconds)

    def with_inline_budget(self, seconds: float) -> Self:
        """Run a CPU kernel in place, with no worker, if it was measured to take less than `seconds`."""
        return self._with(inline_budget=seconds)

    def with_log_level(self, level: str) -> Self:
        """Log events from this level up: `debug`, `info`, `warning` or `error`."""
        return self._with(log_level=level)

    def with_log_format(self, form: str) -> Self:
        """Write logs as `console` for people or `json` for programs."""
        return self._with(log_format=form)

    def with_memory(self, memory: MemoryConfig) -> Self:
        """Take these memory limits and pools."""
        return self._with(memory=memory)

    def with_instance(self, name: str) -> Self:
        """Let `rustkernel runtime status` and `drain` find it under this name; `auto` takes the first that is free."""
        self._instance = name
        return self

    def build(self) -> Runtime:
        """Make the runtime, in state Created.

        Raises:
            InvalidConfiguration: A setting is not allowed, by itself or beside the others.
        """
        return Runtime(attrs.evolve(self._base, **self._settings), device=self._device, instance=self._instance)

    def _with(self, **settings: Any) -> Self:
        self._settings |= settings
        return self
