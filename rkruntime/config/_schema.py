"""What a configuration file may hold, as JSON Schema: editors check and complete TOML by it.

It takes the keys and values that loading takes. That one value must be below another, and that a device must fit
`gpu_enabled`, it cannot say.
"""

from __future__ import annotations

from typing import Any

from rkruntime.config._settings import SECTIONS, Setting, config_classes, settings

__all__ = ("json_schema",)

DRAFT = "http://json-schema.org/draft-04/schema#"  # the TOML plug-ins of editors know it, and to it 8.0 is no integer


def json_schema() -> dict[str, Any]:
    """Return the schema of a configuration file."""
    helps = {section: (cls.__doc__ or "").partition("\n")[0] for section, cls in config_classes()}
    tables = {section: _table(section, helps[section]) for section in SECTIONS}
    top = tables.pop("")
    top["properties"] |= tables
    return {"$schema": DRAFT, "title": "rkruntime configuration", **top}


def _table(section: str, told: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for setting in settings():
        if setting.section == section:
            properties[setting.name] = _property(setting)
            if setting.other_key:
                number = setting.kind.schema["anyOf"][0]
                properties[setting.other_key] = {"description": f"{setting.name}, as a number of seconds.", **number}
    pairs = [{"required": [s.name, s.other_key]} for s in settings() if s.section == section and s.other_key]
    table = {"description": told, "type": "object", "additionalProperties": False, "properties": properties}
    return table | ({"not": {"anyOf": pairs}} if pairs else {})


def _property(setting: Setting) -> dict[str, Any]:
    told = {"description": f"{setting.about.help}\n{setting.kind.allowed}", **setting.kind.schema}
    if setting.default is not None and not setting.about.computed:
        told["default"] = setting.kind.write(setting.default)
    return told
