"""Configuration: frozen values with their units, presets, and loading from files, the environment and arguments.

What loads, checks and writes is imported on first use: many programs need the classes alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rkruntime.config._kinds import shown as shown
from rkruntime.config._model import MemoryConfig as MemoryConfig
from rkruntime.config._model import RuntimeConfig as RuntimeConfig
from rkruntime.config._presets import RuntimePreset as RuntimePreset
from rkruntime.config._production import ProductionConfig as ProductionConfig
from rkruntime.config._sections import ObservabilityConfig as ObservabilityConfig
from rkruntime.config._sections import ServiceConfig as ServiceConfig
from rkruntime.config._security import SecurityConfig as SecurityConfig
from rkruntime.units import ByteSize as ByteSize
from rkruntime.units import Duration as Duration

if TYPE_CHECKING:
    from rkruntime.config._builder import ProductionConfigBuilder as ProductionConfigBuilder
    from rkruntime.config._checks import Checked as Checked
    from rkruntime.config._checks import check_config as check_config
    from rkruntime.config._layers import Origin as Origin
    from rkruntime.config._layers import Source as Source
    from rkruntime.config._load import Examined as Examined
    from rkruntime.config._load import LoadedConfig as LoadedConfig
    from rkruntime.config._load import examine_config as examine_config
    from rkruntime.config._load import load_config as load_config
    from rkruntime.config._machine import Machine as Machine
    from rkruntime.config._schema import json_schema as json_schema
    from rkruntime.config._settings import Setting as Setting
    from rkruntime.config._settings import default_text as default_text
    from rkruntime.config._settings import settings as settings
    from rkruntime.config._settings import value_at as value_at
    from rkruntime.config._template import to_toml as to_toml
    from rkruntime.config._write import write_file as write_file

_HOMES = {
    "_builder": ("ProductionConfigBuilder",),
    "_checks": ("Checked", "check_config"),
    "_layers": ("Origin", "Source"),
    "_load": ("Examined", "LoadedConfig", "examine_config", "load_config"),
    "_machine": ("Machine",),
    "_schema": ("json_schema",),
    "_settings": ("Setting", "default_text", "settings", "value_at"),
    "_template": ("to_toml",),
    "_write": ("write_file",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    return value


__all__ = (
    "ByteSize",
    "Checked",
    "Duration",
    "Examined",
    "LoadedConfig",
    "Machine",
    "MemoryConfig",
    "ObservabilityConfig",
    "Origin",
    "ProductionConfig",
    "ProductionConfigBuilder",
    "RuntimeConfig",
    "RuntimePreset",
    "SecurityConfig",
    "ServiceConfig",
    "Setting",
    "Source",
    "check_config",
    "default_text",
    "examine_config",
    "json_schema",
    "load_config",
    "settings",
    "shown",
    "to_toml",
    "value_at",
    "write_file",
)
