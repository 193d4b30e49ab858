"""The whole configuration of a deployment."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import attrs

from rkruntime.config._about import about, documented, is_section, section
from rkruntime.config._kinds import Maybe, OneOf, Text
from rkruntime.config._model import MemoryConfig, RuntimeConfig
from rkruntime.config._presets import PRESET_ALIASES, RuntimePreset
from rkruntime.config._sections import ObservabilityConfig, ServiceConfig
from rkruntime.config._security import SecurityConfig
from rkruntime.errors import ConfigurationProblem, ConfigurationWarning, InvalidConfigurations

if TYPE_CHECKING:
    from rkruntime.config._machine import Machine

__all__ = ("ProductionConfig",)

NAME = Text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "letters, digits, dots, dashes and underscores, at most 100")


@documented
@attrs.frozen(kw_only=True)
class ProductionConfig:
    """The whole configuration of a deployment: the runtime with its memory, and what surrounds it."""

    SECTION: ClassVar[str] = ""

    preset: str | None = attrs.field(
        default=None,
        validator=Maybe(OneOf(tuple(RuntimePreset), PRESET_ALIASES)),
        metadata=about("The preset that gives every value which is not set here.", variable="RUSTKERNEL_ENV"),
    )
    environment: str = attrs.field(
        default="development", validator=NAME, metadata=about("Where this runs, for logs and checks.")
    )
    service_name: str = attrs.field(
        default="rustkernels",
        validator=NAME,
        metadata=about("The name of the service, for logs, metrics and spans.", variable="RUSTKERNEL_SERVICE_NAME"),
    )
    service_version: str = attrs.field(
        default="0.1.0", validator=NAME, metadata=about("The version of the service, likewise.")
    )
    runtime: RuntimeConfig = attrs.field(
        factory=RuntimeConfig, validator=attrs.validators.instance_of(RuntimeConfig), metadata=section
    )
    security: SecurityConfig = attrs.field(
        factory=SecurityConfig, validator=attrs.validators.instance_of(SecurityConfig), metadata=section
    )
    observability: ObservabilityConfig = attrs.field(
        factory=ObservabilityConfig, validator=attrs.validators.instance_of(ObservabilityConfig), metadata=section
    )
    service: ServiceConfig = attrs.field(
        factory=ServiceConfig, validator=attrs.validators.instance_of(ServiceConfig), metadata=section
    )

    @property
    def memory(self) -> MemoryConfig:
        """The memory's settings: those of the runtime, which a file holds in a section of their own."""
        return self.runtime.memory

    @classmethod
    def development(cls) -> Self:
        """Build the development preset."""
        return cls.from_preset("development")

    @classmethod
    def production(cls) -> Self:
        """Build the production preset."""
        return cls.from_preset("production")

    @classmethod
    def high_performance(cls) -> Self:
        """Build the high-performance preset."""
        return cls.from_preset("high_performance")

    @classmethod
    def testing(cls) -> Self:
        """Build the testing preset."""
        return cls.from_preset("testing")

    @classmethod
    def from_preset(cls, preset: RuntimePreset | str) -> Self:
        """Build a preset by its name.

        Raises:
            InvalidConfiguration: There is no such preset.
        """
        chosen = RuntimePreset(preset)
        settings = chosen.settings
        beside = {
            field.name: field.validator.type(**settings.get(field.name, {}))
            for field in attrs.fields(cls)
            if is_section(field) and field.name != RuntimeConfig.SECTION
        }
        runtime = RuntimeConfig.from_preset(chosen)
        return cls(preset=chosen.value, **settings[""], runtime=runtime, **beside)

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, *, arguments: Mapping[str, Any] | None = None
    ) -> ProductionConfig:
        """Load from the variables `RUSTKERNEL_*`; `RUSTKERNEL_ENV` names the preset.

        Args:
            environ: Taken in the place of `os.environ`.
            arguments: Values that win over all others, by path: `{"runtime.worker_threads": 8}`.

        Raises:
            InvalidConfigurations: With everything that is wrong.
        """
        return _load(None, environ, arguments)

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        environ: Mapping[str, str] | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> ProductionConfig:
        """Load from a TOML file; the variables `RUSTKERNEL_*` win over it.

        Args:
            path: The file.
            environ: Taken in the place of `os.environ`; `{}` for the file alone.
            arguments: Values that win over all others, by path: `{"runtime.worker_threads": 8}`.

        Raises:
            InvalidConfigurations: With everything that is wrong.
            UnreadableInput: The file cannot be read.
        """
        return _load(path, environ, arguments)

    def validate(self, machine: Machine | None = None) -> tuple[ConfigurationProblem, ...]:
        """Check what no value shows by itself, against a machine: this one, unless another is given.

        Returns:
            Warnings: what works, but is hardly what is wanted.

        Raises:
            InvalidConfigurations: With everything that cannot work.
        """
        from rkruntime.config._checks import check_config
        from rkruntime.config._machine import Machine

        checked = check_config(self, machine or Machine.here())
        if checked.errors:
            raise InvalidConfigurations.of(checked.errors)
        return checked.warnings


def _load(
    path: str | os.PathLike[str] | None, environ: Mapping[str, str] | None, arguments: Mapping[str, Any] | None
) -> ProductionConfig:
    from rkruntime.config._load import load_config  # and cattrs with it, which programs without files do not need

    loaded = load_config(path, environ=environ, arguments=arguments)
    for text in loaded.warnings:
        warnings.warn(text, ConfigurationWarning, stacklevel=3)
    return loaded.config
