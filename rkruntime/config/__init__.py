"""Configuration: frozen values with validators, and the presets."""

from rkruntime.config._model import MemoryConfig as MemoryConfig
from rkruntime.config._model import RuntimeConfig as RuntimeConfig
from rkruntime.config._presets import RuntimePreset as RuntimePreset
from rkruntime.config._production import ProductionConfig as ProductionConfig
from rkruntime.config._sections import ObservabilityConfig as ObservabilityConfig
from rkruntime.config._sections import SecurityConfig as SecurityConfig
from rkruntime.config._sections import ServiceConfig as ServiceConfig
from rkruntime.config._settings import Setting as Setting
from rkruntime.config._settings import settings as settings
from rkruntime.units import ByteSize as ByteSize
from rkruntime.units import Duration as Duration

__all__ = (
    "ByteSize",
    "Duration",
    "MemoryConfig",
    "ObservabilityConfig",
    "ProductionConfig",
    "RuntimeConfig",
    "RuntimePreset",
    "SecurityConfig",
    "ServiceConfig",
    "Setting",
    "settings",
)
