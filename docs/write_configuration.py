"""Write what comes from the fields: tables of docs/configuration.md, and the stub of the builders' methods."""

from collections.abc import Sequence
from pathlib import Path

import rkruntime.config
from rkruntime.config import (
    ProductionConfig,
    RuntimeConfig,
    RuntimePreset,
    Setting,
    default_text,
    settings,
    shown,
    value_at,
)
from rkruntime.config._kinds import Boolean, Bytes, Count, Fraction, Kind, Maybe, Seconds
from rkruntime.config._settings import SECTIONS, config_classes

METHODS = Path(rkruntime.config.__file__).parent / "_builder_methods.pyi"
TAKES = {Boolean: "bool", Count: "int", Fraction: "float", Seconds: "float | str", Bytes: "int | str"}
PAGE = Path(__file__).parent / "configuration.md"


def settings_tables() -> str:
    """Write a table for each section."""
    helps = {section: (cls.__doc__ or "").partition("\n")[0] for section, cls in config_classes()}
    parts = []
    for section, told in helps.items():
        rows = [_row(setting) for setting in settings() if setting.section == section]
        head = ["| key | takes | default | variable | what |", "|---|---|---|---|---|"]
        parts.append("\n".join([f"### {f'[{section}]' if section else 'Top'}", "", told, "", *head, *rows]))
    return "\n\n".join(parts)


def _row(setting: Setting) -> str:
    plain = setting.about.computed or setting.default is None
    default = default_text(setting) if plain else f"`{default_text(setting)}`"
    told = setting.about.help + (" Secret: never shown." if setting.about.secret else "")
    return f"| `{setting.name}` | {setting.kind.allowed} | {default} | `{setting.variable}` | {told} |"


def presets_table() -> str:
    """Write what each preset sets to something else than the default."""
    configs = [ProductionConfig.from_preset(preset) for preset in RuntimePreset]
    lines = ["| setting | default | " + " | ".join(RuntimePreset) + " |", "|---|---|" + "---|" * len(configs)]
    for setting in settings():
        values = [value_at(config, setting.path) for config in configs]
        if setting.name != "preset" and any(value != setting.default for value in values):
            cells = [shown(setting.kind.write(value)) if value != setting.default else "" for value in values]
            lines.append(f"| `{setting.path}` | {default_text(setting)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


TABLES = {"settings": settings_tables, "presets": presets_table}


def methods() -> str:
    """Write the stub of the builders' methods."""
    parts = ['"""Written by docs/write_configuration.py from the fields: the methods of the builders."""\n']
    parts.append("from typing import Self\n")
    for section in SECTIONS:
        own = [setting for setting in settings() if setting.section == section and setting.path != "preset"]
        parts.append(_class(f"{section or 'top'}_methods", [(s.name, _takes(s.kind), s.about.help) for s in own]))
    own = [s for s in settings() if s.section == RuntimeConfig.SECTION and s.builder_method != "with_device"]
    rows = [(s.builder_method, _takes(s.kind).removesuffix(" | str"), s.about.help) for s in own]
    return "\n".join([*parts, _class("runtime_builder_methods", rows)])


def _class(name: str, rows: Sequence[tuple[str, str, str]]) -> str:
    lines = [f"class {name.title().replace('_', '')}:"]
    for method, takes, told in rows:
        lines += [f"    def {method}(self, value: {takes}) -> Self:", f'        """{told}"""', ""]
    return "\n".join(lines)


def _takes(kind: Kind) -> str:
    return f"{_takes(kind.kind)} | None" if isinstance(kind, Maybe) else TAKES.get(type(kind), "str")


def drawn(page: str) -> str:
    """Return `page` with what stands between the markers written anew."""
    for name, write in TABLES.items():
        begin, end = f"<!-- {name}.begin -->", f"<!-- {name}.end -->"
        before, rest = page.split(begin)
        _, after = rest.split(end)
        page = f"{before}{begin}\n{write()}\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
    METHODS.write_text(methods())
