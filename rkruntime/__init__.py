"""rkruntime: numba.cuda kernels as supervised Trio actors, on the GPU at hand or compiled for the CPU.

The names below are loaded on first use, so that `import rkruntime` is quick and `rkruntime.simt` needs no Trio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rkruntime.actors import ActorInfo as ActorInfo
    from rkruntime.actors import Policy as Policy
    from rkruntime.actors import Ref as Ref
    from rkruntime.actors import Restart as Restart
    from rkruntime.actors import StopActor as StopActor
    from rkruntime.actors import Strategy as Strategy
    from rkruntime.actors import SupervisorRef as SupervisorRef
    from rkruntime.config import MemoryConfig as MemoryConfig
    from rkruntime.config import ProductionConfig as ProductionConfig
    from rkruntime.config import ProductionConfigBuilder as ProductionConfigBuilder
    from rkruntime.config import RuntimeConfig as RuntimeConfig
    from rkruntime.config import RuntimePreset as RuntimePreset
    from rkruntime.errors import RkError as RkError
    from rkruntime.kernels import In as In
    from rkruntime.kernels import InOut as InOut
    from rkruntime.kernels import KernelSpec as KernelSpec
    from rkruntime.kernels import LaunchRecord as LaunchRecord
    from rkruntime.kernels import Out as Out
    from rkruntime.kernels import find as find
    from rkruntime.kernels import kernel as kernel
    from rkruntime.memory import DeviceArray as DeviceArray
    from rkruntime.memory import KernelMemoryManager as KernelMemoryManager
    from rkruntime.memory import MemoryStats as MemoryStats
    from rkruntime.memory import PressureLevel as PressureLevel
    from rkruntime.runtime import Actor as Actor
    from rkruntime.runtime import DrainReport as DrainReport
    from rkruntime.runtime import Health as Health
    from rkruntime.runtime import KernelRef as KernelRef
    from rkruntime.runtime import Runtime as Runtime
    from rkruntime.runtime import RuntimeBuilder as RuntimeBuilder
    from rkruntime.runtime import State as State
    from rkruntime.runtime import open_runtime as open_runtime

__version__ = "0.1.0"

_HOMES = {
    "rkruntime.actors": ("ActorInfo", "Policy", "Ref", "Restart", "StopActor", "Strategy", "SupervisorRef"),
    "rkruntime.config": (
        "MemoryConfig",
        "ProductionConfig",
        "ProductionConfigBuilder",
        "RuntimeConfig",
        "RuntimePreset",
    ),
    "rkruntime.errors": ("RkError",),
    "rkruntime.kernels": ("In", "InOut", "KernelSpec", "LaunchRecord", "Out", "find", "kernel"),
    "rkruntime.memory": ("DeviceArray", "KernelMemoryManager", "MemoryStats", "PressureLevel"),
    "rkruntime.runtime": (
        "Actor",
        "DrainReport",
        "Health",
        "KernelRef",
        "Runtime",
        "RuntimeBuilder",
        "State",
        "open_runtime",
    ),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    import importlib

    if name in ("blocking", "errors"):
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = (
    "Actor",
    "ActorInfo",
    "DeviceArray",
    "DrainReport",
    "Health",
    "In",
    "InOut",
    "KernelMemoryManager",
    "KernelRef",
    "KernelSpec",
    "LaunchRecord",
    "MemoryConfig",
    "MemoryStats",
    "Out",
    "Policy",
    "PressureLevel",
    "ProductionConfig",
    "ProductionConfigBuilder",
    "Ref",
    "Restart",
    "RkError",
    "Runtime",
    "RuntimeBuilder",
    "RuntimeConfig",
    "RuntimePreset",
    "State",
    "StopActor",
    "Strategy",
    "SupervisorRef",
    "find",
    "kernel",
    "open_runtime",
)
