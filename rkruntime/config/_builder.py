"""Build a configuration step by step, as the RustKernels chapter does.

The methods come from the fields; `_builder_methods.pyi`, written from the same fields, tells type checkers of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from rkruntime.config._presets import RuntimePreset
from rkruntime.config._production import ProductionConfig
from rkruntime.config._settings import Setting, settings

if TYPE_CHECKING:
    from rkruntime.config._builder_methods import (
        MemoryMethods,
        ObservabilityMethods,
        RuntimeMethods,
        SecurityMethods,
        ServiceMethods,
        TopMethods,
    )
else:
    MemoryMethods = ObservabilityMethods = RuntimeMethods = SecurityMethods = ServiceMethods = TopMethods = object

__all__ = (
    "MemorySettings",
    "ObservabilitySettings",
    "ProductionConfigBuilder",
    "RuntimeSettings",
    "SecuritySettings",
    "ServiceSettings",
)

B = TypeVar("B", bound="type[Settings]")


class Settings:
    """Values by path, as they were set.

    Args:
        values: Where they are collected.
    """

    section = ""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


def with_setters(cls: B) -> B:
    """Add a method for every setting of the class's section that has none."""
    for setting in settings():
        if setting.section == cls.section and setting.name not in vars(cls):
            setattr(cls, setting.name, _setter(setting))
    return cls


def _setter(setting: Setting) -> Callable[[Any, Any], Any]:
    def put(builder: Settings, value: Any) -> Settings:
        builder.values[setting.path] = value
        return builder

    put.__name__, put.__doc__ = setting.name, setting.about.help
    return put


@with_setters
class RuntimeSettings(Settings, RuntimeMethods):
    """The methods of section [runtime]; times are seconds, or text such as `30s`."""

    section = "runtime"


@with_setters
class MemorySettings(Settings, MemoryMethods):
    """The methods of section [memory]; sizes are bytes, or text such as `16GiB`."""

    section = "memory"


@with_setters
class SecuritySettings(Settings, SecurityMethods):
    """The methods of section [security]."""

    section = "security"


@with_setters
class ObservabilitySettings(Settings, ObservabilityMethods):
    """The methods of section [observability]."""

    section = "observability"


@with_setters
class ServiceSettings(Settings, ServiceMethods):
    """The methods of section [service]; sizes and times likewise."""

    section = "service"


@with_setters
class ProductionConfigBuilder(Settings, TopMethods):
    """Collects settings; `build` checks them all and says everything that is wrong in one go.

    A section's settings are set by a function of its builder: `.runtime(lambda r: r.worker_threads(8))`.
    """

    def __init__(self) -> None:
        super().__init__({})

    @classmethod
    def development(cls) -> Self:
        """Begin from the development preset."""
        return cls().preset(RuntimePreset.DEVELOPMENT)

    @classmethod
    def production(cls) -> Self:
        """Begin from the production preset."""
        return cls().preset(RuntimePreset.PRODUCTION)

    @classmethod
    def high_performance(cls) -> Self:
        """Begin from the high-performance preset."""
        return cls().preset(RuntimePreset.HIGH_PERFORMANCE)

    @classmethod
    def testing(cls) -> Self:
        """Begin from the testing preset."""
        return cls().preset(RuntimePreset.TESTING)

    def preset(self, preset: RuntimePreset | str) -> Self:
        """Take from a preset every value that is not set here."""
        self.values["preset"] = str(preset)
        return self

    def runtime(self, configure: Callable[[RuntimeSettings], object]) -> Self:
        """Set what `configure` sets of section [runtime]."""
        configure(RuntimeSettings(self.values))
        return self

    def memory(self, configure: Callable[[MemorySettings], object]) -> Self:
        """Set what `configure` sets of section [memory]."""
        configure(MemorySettings(self.values))
        return self

    def security(self, configure: Callable[[SecuritySettings], object]) -> Self:
        """Set what `configure` sets of section [security]."""
        configure(SecuritySettings(self.values))
        return self

    def observability(self, configure: Callable[[ObservabilitySettings], object]) -> Self:
        """Set what `configure` sets of section [observability]."""
        configure(ObservabilitySettings(self.values))
        return self

    def service(self, configure: Callable[[ServiceSettings], object]) -> Self:
        """Set what `configure` sets of section [service]."""
        configure(ServiceSettings(self.values))
        return self

    def build(self) -> ProductionConfig:
        """Make the configuration; the environment has no part in it.

        Raises:
            InvalidConfigurations: With everything that is wrong.
        """
        from rkruntime.config._load import load_config

        return load_config(environ={}, arguments=self.values).config
