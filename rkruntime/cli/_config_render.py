"""Say what a configuration holds: lines for people, dicts for programs; secrets are hidden in both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rkruntime.config import LoadedConfig, Setting, default_text, settings, shown, value_at
from rkruntime.errors import ConfigurationProblem
from rkruntime.redact import HIDDEN, redacted_text

__all__ = ("env_rows", "env_text", "problem_dict", "shown_dict", "shown_text")


def shown_text(loaded: LoadedConfig) -> str:
    """Write one line a setting: path, value, and where it comes from."""
    lines = []
    for setting in settings():
        value = value_at(loaded.config, setting.path)
        text = "none" if value is None else _text(setting, value)
        lines.append(f"{setting.path} = {text}  # {loaded.origins[setting.path]}")
    return "\n".join(lines)


def shown_dict(loaded: LoadedConfig) -> dict[str, Any]:
    """Write the same for programs: times in seconds, sizes in bytes."""
    told = {}
    for setting in settings():
        value, origin = value_at(loaded.config, setting.path), loaded.origins[setting.path]
        told[setting.path] = {
            "value": _hide(setting, value),
            "source": origin.source.name.lower(),
            "name": origin.name or None,
            "line": origin.line,
        }
    return {"settings": told, "warnings": list(loaded.warnings)}


def problem_dict(problem: ConfigurationProblem) -> dict[str, Any]:
    """Write a problem for programs."""
    value = problem.value if isinstance(problem.value, bool | int | float | str | None) else str(problem.value)
    return {"where": problem.where, "path": problem.path, "what": problem.what, "mend": problem.mend, "value": value}


def env_rows(environ: Mapping[str, str]) -> list[dict[str, Any]]:
    """List the variables, with what they hold in `environ`."""
    return [
        {
            "variable": setting.variable,
            "value": _hide(setting, environ.get(setting.variable) or None),
            "setting": setting.path,
            "default": default_text(setting),
            "help": setting.about.help,
        }
        for setting in settings()
    ]


def env_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the variables as a table."""
    table = [("variable", "value", "setting", "default")]
    table += [(row["variable"], row["value"] or "-", row["setting"], row["default"]) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table
    )


def _hide(setting: Setting, value: Any) -> Any:
    if value is None:
        return None
    return HIDDEN if setting.about.secret else redacted_text(value) if isinstance(value, str) else value


def _text(setting: Setting, value: Any) -> str:
    return HIDDEN if setting.about.secret else redacted_text(shown(setting.kind.write(value)))
