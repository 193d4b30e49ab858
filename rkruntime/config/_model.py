"""The frozen configuration classes: every setting, its default, its unit and its bounds."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, Self

import attrs

from rkruntime.config._presets import RuntimePreset
from rkruntime.errors import InvalidConfiguration

__all__ = ("MemoryConfig", "RuntimeConfig")

GIB = 2**30

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def _refuse(owner: Any, field: attrs.Attribute[Any], value: object, allowed: str) -> InvalidConfiguration:
    section = type(owner).__name__.removesuffix("Config").lower()
    return InvalidConfiguration(f"{section}.{field.name}", value, allowed)


def boolean(owner: Any, field: attrs.Attribute[Any], value: object) -> None:
    """Take true and false alone; no number or text stands for them."""
    if not isinstance(value, bool):
        raise _refuse(owner, field, value, "true or false")


def count(at_least: int) -> Validator:
    """Take whole numbers from `at_least` up."""

    def check(owner: Any, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool) or value < at_least:
            raise _refuse(owner, field, value, f"a whole number, at least {at_least}")

    return check


def seconds(*, above: float = 0.0, at_least: float | None = None) -> Validator:
    """Take finite durations in seconds, above `above` or from `at_least` up."""

    def check(owner: Any, field: attrs.Attribute[Any], value: object) -> None:
        bound = f"at least {at_least:g} s" if at_least is not None else f"more than {above:g} s"
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not is_number or not (value >= at_least if at_least is not None else value > above):  # type: ignore[operator]
            raise _refuse(owner, field, value, f"a number of seconds, {bound}")

    return check


def fraction(owner: Any, field: attrs.Attribute[Any], value: object) -> None:
    """Take numbers above 0 and up to 1."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
        raise _refuse(owner, field, value, "a fraction above 0 and up to 1, such as 0.8")


def one_of(*names: str) -> Validator:
    """Take one of these words."""

    def check(owner: Any, field: attrs.Attribute[Any], value: object) -> None:
        if value not in names:
            raise _refuse(owner, field, value, "one of " + ", ".join(names))

    return check


@attrs.frozen(kw_only=True)
class MemoryConfig:
    """How much memory the runtime may take from the device, and how it is pooled.

    Args:
        max_gpu_memory: Bytes that may be reserved from the device, pools included.
        max_staging_memory: Bytes of host staging memory (pinned on CUDA).
        pooling_enabled: Keep freed blocks in power-of-two pools; false goes straight to the device.
        pressure_threshold: Lower edge of Warning, as a fraction of `max_gpu_memory`.
        critical_threshold: Lower edge of Critical: new kernel actors are refused.
        emergency_threshold: Lower edge of Emergency: idle blocks are released.
        hysteresis: A level is left only this fraction below the edge that entered it.
        auto_defrag: Release idle blocks whose class has been cold, and merge slabs; live data never moves.
        scrub: Zero blocks between owners.
    """

    max_gpu_memory: int = attrs.field(default=8 * GIB, validator=count(1))
    max_staging_memory: int = attrs.field(default=2 * GIB, validator=count(1))
    pooling_enabled: bool = attrs.field(default=True, validator=boolean)
    pressure_threshold: float = attrs.field(default=0.70, validator=fraction)
    critical_threshold: float = attrs.field(default=0.85, validator=fraction)
    emergency_threshold: float = attrs.field(default=0.95, validator=fraction)
    hysteresis: float = attrs.field(default=0.02, validator=fraction)
    auto_defrag: bool = attrs.field(default=True, validator=boolean)
    scrub: bool = attrs.field(default=False, validator=boolean)

    def __attrs_post_init__(self) -> None:
        if not self.pressure_threshold < self.critical_threshold < self.emergency_threshold:
            raise InvalidConfiguration(
                "memory.pressure_threshold",
                self.pressure_threshold,
                f"below critical_threshold ({self.critical_threshold:g}), "
                f"itself below emergency_threshold ({self.emergency_threshold:g})",
            )
        if self.hysteresis >= self.pressure_threshold:
            raise InvalidConfiguration("memory.hysteresis", self.hysteresis, "below pressure_threshold")


@attrs.frozen(kw_only=True)
class RuntimeConfig:
    """How the runtime starts, what it admits, and how it stops.

    Args:
        gpu_enabled: Use a GPU if there is one, and say so if there is not.
        device: `auto`, `cpu`, or `cuda` to demand a GPU.
        max_kernel_instances: Kernel actors that may live at once.
        worker_threads: Threads of the CPU device.
        blocking_threads: Threads for blocking calls (files, compilers).
        mailbox_capacity: Messages that wait at one actor before the mailbox is full.
        shutdown_timeout: Seconds that work in flight gets to finish during a drain.
        drain_grace: Seconds between Draining becoming visible and admission closing, for load balancers.
        cleanup_timeout: Seconds that cancelled handlers get to clean up.
        health_check_interval: Seconds between health checks.
        inline_budget: Seconds of measured kernel time under which a CPU kernel runs in place, with no worker.
        log_level: `debug`, `info`, `warning` or `error`.
        log_format: `console` or `json`.
        memory: The memory limits and pools.
    """

    gpu_enabled: bool = attrs.field(default=True, validator=boolean)
    device: str = attrs.field(default="auto", validator=one_of("auto", "cpu", "cuda"))
    max_kernel_instances: int = attrs.field(default=1000, validator=count(1))
    worker_threads: int = attrs.field(factory=lambda: os.cpu_count() or 1, validator=count(1))
    blocking_threads: int = attrs.field(default=512, validator=count(1))
    mailbox_capacity: int = attrs.field(default=10_000, validator=count(1))
    shutdown_timeout: float = attrs.field(default=30.0, validator=seconds())
    drain_grace: float = attrs.field(default=0.0, validator=seconds(at_least=0.0))
    cleanup_timeout: float = attrs.field(default=5.0, validator=seconds())
    health_check_interval: float = attrs.field(default=10.0, validator=seconds())
    inline_budget: float = attrs.field(default=50e-6, validator=seconds(at_least=0.0))
    log_level: str = attrs.field(default="info", validator=one_of("debug", "info", "warning", "error"))
    log_format: str = attrs.field(default="console", validator=one_of("console", "json"))
    memory: MemoryConfig = attrs.field(factory=MemoryConfig, validator=attrs.validators.instance_of(MemoryConfig))

    def __attrs_post_init__(self) -> None:
        if self.device == "cuda" and not self.gpu_enabled:
            raise InvalidConfiguration("runtime.device", "cuda", "gpu_enabled = true where device is cuda")

    @classmethod
    def development(cls) -> Self:
        """Build the development preset: no GPU, short limits, debug logs, pooling off."""
        return cls.from_preset("development")

    @classmethod
    def production(cls) -> Self:
        """Build the production preset: reliability first, JSON logs."""
        return cls.from_preset("production")

    @classmethod
    def high_performance(cls) -> Self:
        """Build the high-performance preset: large limits, few logs."""
        return cls.from_preset("high_performance")

    @classmethod
    def testing(cls) -> Self:
        """Build the testing preset: small limits, a drain of 0.1 s."""
        return cls.from_preset("testing")

    @classmethod
    def from_preset(cls, preset: RuntimePreset | str) -> Self:
        """Build a preset by its name.

        Raises:
            InvalidConfiguration: There is no such preset.
        """
        settings = dict(RuntimePreset(preset).settings)
        memory = MemoryConfig(**settings.pop("memory"))
        return cls(**settings, memory=memory)
