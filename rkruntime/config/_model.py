"""How the runtime runs: its settings and those of its memory, each with default, bounds and what it does."""

from __future__ import annotations

import os
from typing import ClassVar, Self

import attrs

from rkruntime.config._about import about, documented, section
from rkruntime.config._kinds import Boolean, Bytes, Count, Fraction, Maybe, OneOf, Seconds, Text, to_bytes, to_duration
from rkruntime.config._presets import RuntimePreset
from rkruntime.errors import InvalidConfiguration, InvalidConfigurations
from rkruntime.units import ByteSize, Duration

__all__ = ("MemoryConfig", "RuntimeConfig")


IN_ORDER = (
    ("pressure_threshold", "critical_threshold"),
    ("critical_threshold", "emergency_threshold"),
    ("hysteresis", "pressure_threshold"),
)
"""Each is below the other."""
GROUP = Text(r"[^\x00-\x20\x7f:;=]+", "the name of a group, or its number")
WHO = r"\s*(user|group):[^\x00-\x20\x7f:;=]+\s*=\s*(viewer|operator|admin)\s*"
SOCKET_ROLE_MAP = Text(
    rf"{WHO}(;{WHO})*;?\s*", 'users and groups, or their numbers, with roles: "user:ann=admin; group:lab=viewer"'
)


@documented
@attrs.frozen(kw_only=True)
class MemoryConfig:
    """How much memory the runtime may take from the device, and how it is pooled."""

    SECTION: ClassVar[str] = "memory"

    max_gpu_memory: ByteSize = attrs.field(
        default=ByteSize("8GiB"),
        converter=to_bytes,
        validator=Bytes(),
        metadata=about(
            "Bytes that may be reserved from the device, pools included.",
            variable="RUSTKERNEL_MAX_GPU_MEMORY_GB",
            variable_unit="GiB",
        ),
    )
    max_staging_memory: ByteSize = attrs.field(
        default=ByteSize("2GiB"),
        converter=to_bytes,
        validator=Bytes(),
        metadata=about("Bytes of host staging memory (pinned on CUDA)."),
    )
    pooling_enabled: bool = attrs.field(
        default=True,
        validator=Boolean(),
        metadata=about("Keep freed blocks in power-of-two pools; false goes straight to the device."),
    )
    pressure_threshold: float = attrs.field(
        default=0.70,
        validator=Fraction(),
        metadata=about("Lower edge of the level Warning, as a fraction of max_gpu_memory."),
    )
    critical_threshold: float = attrs.field(
        default=0.85,
        validator=Fraction(),
        metadata=about("Lower edge of the level Critical: new kernel actors are refused."),
    )
    emergency_threshold: float = attrs.field(
        default=0.95,
        validator=Fraction(),
        metadata=about("Lower edge of the level Emergency: idle blocks are released."),
    )
    hysteresis: float = attrs.field(
        default=0.02,
        validator=Fraction(),
        metadata=about("A level is left only this fraction below the edge that entered it."),
    )
    auto_defrag: bool = attrs.field(
        default=True,
        validator=Boolean(),
        metadata=about("Release idle blocks whose class has been cold, and merge slabs; live data never moves."),
    )
    scrub: bool = attrs.field(
        default=False, validator=Boolean(), metadata=about("Zero blocks of memory between owners.")
    )

    def __attrs_post_init__(self) -> None:
        below = [(lower, upper) for lower, upper in IN_ORDER if getattr(self, lower) >= getattr(self, upper)]
        misfits = [
            InvalidConfiguration(
                f"memory.{lower}", getattr(self, lower), f"below memory.{upper}, which is {getattr(self, upper):g}"
            )
            for lower, upper in below
        ]
        if misfits:
            raise misfits[0] if len(misfits) == 1 else InvalidConfigurations.all_of(misfits)


@documented
@attrs.frozen(kw_only=True)
class RuntimeConfig:
    """How the runtime starts, what it admits, and how it stops."""

    SECTION: ClassVar[str] = "runtime"

    gpu_enabled: bool = attrs.field(
        default=True,
        validator=Boolean(),
        metadata=about(
            "Use a GPU if there is one, and say so if there is not.",
            variable="RUSTKERNEL_GPU_ENABLED",
            method="gpu",
        ),
    )
    device: str = attrs.field(
        default="auto",
        validator=OneOf(("auto", "cpu", "cuda")),
        metadata=about("The device to open: `auto`, `cpu`, or `cuda` to demand a GPU."),
    )
    max_kernel_instances: int = attrs.field(
        default=1000,
        validator=Count(),
        metadata=about(
            "Kernel actors that may live at once.", variable="RUSTKERNEL_MAX_INSTANCES", method="max_instances"
        ),
    )
    worker_threads: int = attrs.field(
        factory=lambda: os.cpu_count() or 1,
        validator=Count(),
        metadata=about("Threads of the CPU device.", computed="the number of cores"),
    )
    blocking_threads: int = attrs.field(
        default=512, validator=Count(), metadata=about("Threads for blocking calls, which are compilations.")
    )
    mailbox_capacity: int = attrs.field(
        default=10_000,
        validator=Count(),
        metadata=about("Messages that wait at one actor before its mailbox is full."),
    )
    shutdown_timeout: Duration = attrs.field(
        default=Duration("30s"),
        converter=to_duration,
        validator=Seconds(),
        metadata=about("Time that work in flight gets to finish during a drain."),
    )
    drain_grace: Duration = attrs.field(
        default=Duration("0s"),
        converter=to_duration,
        validator=Seconds(zero=True),
        metadata=about("Time between Draining becoming visible and admission closing, for load balancers."),
    )
    cleanup_timeout: Duration = attrs.field(
        default=Duration("5s"),
        converter=to_duration,
        validator=Seconds(),
        metadata=about("Time that cancelled handlers get to clean up."),
    )
    health_check_interval: Duration = attrs.field(
        default=Duration("10s"),
        converter=to_duration,
        validator=Seconds(),
        metadata=about("Time between health checks."),
    )
    inline_budget: Duration = attrs.field(
        default=Duration("50us"),
        converter=to_duration,
        validator=Seconds(zero=True),
        metadata=about("Measured kernel time under which a CPU kernel runs in place, with no worker."),
    )
    log_level: str = attrs.field(
        default="info",
        validator=OneOf(("debug", "info", "warning", "error")),
        metadata=about("The least severe events that the command logs; programs give it to `configure_logging`."),
    )
    log_format: str = attrs.field(
        default="console",
        validator=OneOf(("console", "json")),
        metadata=about("How it logs, likewise: `console` for people, `json` for programs."),
    )
    socket_role_map: str | None = attrs.field(
        default=None,
        validator=Maybe(SOCKET_ROLE_MAP),
        metadata=about("Users of this machine and their roles at the control socket, besides its own user and root."),
    )
    socket_group: str | None = attrs.field(
        default=None,
        validator=Maybe(GROUP),
        metadata=about("The group that alone may connect to it; every user may, where only socket_role_map is set."),
    )
    memory: MemoryConfig = attrs.field(
        factory=MemoryConfig, validator=attrs.validators.instance_of(MemoryConfig), metadata=section
    )

    def __attrs_post_init__(self) -> None:
        if self.device == "cuda" and not self.gpu_enabled:
            raise InvalidConfiguration(
                "runtime.device", "cuda", "auto or cpu, since runtime.gpu_enabled is false; or set that to true"
            )

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
        settings = RuntimePreset(preset).settings
        return cls(**settings["runtime"], memory=MemoryConfig(**settings["memory"]))
