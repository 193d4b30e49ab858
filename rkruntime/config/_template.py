"""Write a configuration as a commented TOML file that loads back to the same configuration."""

from __future__ import annotations

import tomlkit
from tomlkit.items import Table
from tomlkit.toml_document import TOMLDocument

from rkruntime.config._kinds import shown
from rkruntime.config._production import ProductionConfig
from rkruntime.config._settings import SECTIONS, Setting, config_classes, default_text, settings, value_at

__all__ = ("to_toml",)

HEAD = (
    "Configuration of rkruntime.",
    "Precedence: arguments, then the variables named below, then this file, then the preset, then defaults.",
    "Check it with `rustkernel config validate FILE`.",
)


def to_toml(config: ProductionConfig, *, portable: bool = False) -> str:
    """Write every setting with what it does and takes; secrets are written as they are.

    Args:
        config: The configuration.
        portable: Leave to each machine what is computed from it: such values stand in comments.
    """
    document = tomlkit.document()
    for line in HEAD:
        document.add(tomlkit.comment(line))
    helps = {section: (cls.__doc__ or "").partition("\n")[0] for section, cls in config_classes()}
    for section in SECTIONS:
        table: Table | TOMLDocument = document
        if section:
            document.add(tomlkit.nl())
            table = tomlkit.table()
            table.comment(helps[section])
        for setting in settings():
            if setting.section == section:
                _add(table, setting, config, portable)
        if section:
            document.add(section, table)
    return tomlkit.dumps(document)


def _add(table: Table | TOMLDocument, setting: Setting, config: ProductionConfig, portable: bool) -> None:
    value = value_at(config, setting.path)
    table.add(tomlkit.nl())
    table.add(tomlkit.comment(setting.about.help))
    table.add(tomlkit.comment(f"{setting.kind.allowed}; default: {default_text(setting)}; {setting.variable}"))
    if value is None:
        table.add(tomlkit.comment(f"{setting.name} ="))
    elif portable and setting.about.computed and value == setting.default:
        table.add(tomlkit.comment(f"{setting.name} = {shown(setting.kind.write(value))}"))
    else:
        table.add(setting.name, setting.kind.write(value))
