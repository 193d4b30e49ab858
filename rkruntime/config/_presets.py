"""The presets, as one table: what differs from the defaults."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from rkruntime.errors import InvalidConfiguration

__all__ = ("PRESET_ALIASES", "RuntimePreset")

MIB, GIB = 2**20, 2**30

PRESET_ALIASES = (("hp", "high_performance"),)

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "development": {
        "": {"environment": "development"},
        "runtime": {
            "gpu_enabled": False,
            "max_kernel_instances": 100,
            "mailbox_capacity": 1_000,
            "shutdown_timeout": 5.0,
            "health_check_interval": 30.0,
            "log_level": "debug",
        },
        "memory": {"max_gpu_memory": 512 * MIB, "max_staging_memory": 256 * MIB, "pooling_enabled": False},
    },
    "production": {
        "": {"environment": "production"},
        "runtime": {
            "max_kernel_instances": 1_000,
            "mailbox_capacity": 10_000,
            "shutdown_timeout": 30.0,
            "health_check_interval": 10.0,
            "log_level": "info",
            "log_format": "json",
        },
        "memory": {"max_gpu_memory": 4 * GIB, "max_staging_memory": 1 * GIB},
        "security": {"rbac_enabled": True, "audit_logging": True},
    },
    "high_performance": {
        "": {"environment": "production"},
        "runtime": {
            "max_kernel_instances": 10_000,
            "mailbox_capacity": 100_000,
            "shutdown_timeout": 10.0,
            "health_check_interval": 5.0,
            "log_level": "warning",
        },
        "memory": {"max_gpu_memory": 16 * GIB, "max_staging_memory": 4 * GIB},
        "security": {"rbac_enabled": True},
        "service": {"max_requests": 10_000},
    },
    "testing": {
        "": {"environment": "testing"},
        "runtime": {
            "gpu_enabled": False,
            "max_kernel_instances": 10,
            "mailbox_capacity": 100,
            "shutdown_timeout": 0.1,
            "health_check_interval": 1.0,
            "log_level": "debug",
        },
        "memory": {"max_gpu_memory": 64 * MIB, "max_staging_memory": 32 * MIB},
        "service": {"port": 0},
    },
}
"""Preset -> section -> setting -> value; the section of the topmost settings is empty."""


class RuntimePreset(enum.StrEnum):
    """A named set of settings; `hp` is another name of high_performance."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"
    HIGH_PERFORMANCE = "high_performance"
    TESTING = "testing"

    @classmethod
    def _missing_(cls, value: object) -> RuntimePreset:
        for other, name in PRESET_ALIASES:
            if value == other:
                return cls(name)
        raise InvalidConfiguration("preset", value, "one of " + ", ".join([*cls, "hp"]))

    @property
    def settings(self) -> Mapping[str, Mapping[str, Any]]:
        """What this preset sets, by section; all else keeps its default."""
        return PRESETS[self.value]
