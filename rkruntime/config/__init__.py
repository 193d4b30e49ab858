"""Configuration: frozen values with validators, and the presets."""

from rkruntime.config._model import MemoryConfig as MemoryConfig
from rkruntime.config._model import RuntimeConfig as RuntimeConfig
from rkruntime.config._presets import RuntimePreset as RuntimePreset

__all__ = ("MemoryConfig", "RuntimeConfig", "RuntimePreset")
