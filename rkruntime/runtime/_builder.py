"""Build a runtime step by step, as the RustKernels chapter does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import attrs

from rkruntime.config import MemoryConfig, RuntimeConfig, RuntimePreset, Setting, settings
from rkruntime.device import Device
from rkruntime.runtime._runtime import Runtime

if TYPE_CHECKING:
    from rkruntime.config._builder_methods import RuntimeBuilderMethods
else:
    RuntimeBuilderMethods = object

__all__ = ("RuntimeBuilder",)


class RuntimeBuilder(RuntimeBuilderMethods):
    """Collects settings; `build` checks them all and makes a runtime in state Created.

    A later setting replaces an earlier one; `preset` replaces all that came before it. There is a method for every
    field of `RuntimeConfig`: `with_worker_threads`, `with_shutdown_timeout` and so on; times are in seconds.
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

    def with_device(self, device: Device | str) -> Self:
        """Open this device: `auto`, `cpu` or `cuda`, or one that is open already and then belongs to the runtime."""
        if isinstance(device, str):
            self._settings["device"] = device
        else:
            self._device = device
        return self

    def with_memory(self, memory: MemoryConfig) -> Self:
        """Take these memory limits and pools."""
        self._settings["memory"] = memory
        return self

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


def _setter(setting: Setting) -> Callable[[Any, Any], Any]:
    def put(builder: RuntimeBuilder, value: Any) -> RuntimeBuilder:
        builder._settings[setting.name] = value
        return builder

    put.__name__, put.__doc__ = setting.builder_method, setting.about.help
    return put


for _setting in settings():
    if _setting.section == RuntimeConfig.SECTION and _setting.builder_method not in vars(RuntimeBuilder):
        setattr(RuntimeBuilder, _setting.builder_method, _setter(_setting))
