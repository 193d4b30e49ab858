"""What files, the environment and arguments give, as layers; the texts come in as arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs
import tomli

from rkruntime.config._layers import Given, Layer, Origin, Source, refusal, shown_short
from rkruntime.config._positions import Keys, Place, find_places
from rkruntime.config._settings import PREFIX, SECTIONS, by_key, by_path, settings
from rkruntime.config._suggest import mend_for_path, mend_for_variable
from rkruntime.errors import ConfigurationProblem

__all__ = ("argument_layer", "environment_layer", "file_layer")


def file_layer(data: bytes, name: str) -> Layer:
    """Read a file.

    Args:
        data: What it holds.
        name: Its name in messages.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        what = f"byte {data[error.start]:#04x} is not UTF-8"
        problem = ConfigurationProblem(
            where=f"{name}:{line}:{column}", path="", what=what, mend="save the file as UTF-8"
        )
        return Layer(problems=[problem])
    try:
        document = tomli.loads(text)
    except (ValueError, RecursionError) as error:  # the latter two of numbers and nesting without measure
        where = f"{name}:{getattr(error, 'lineno', 1)}:{getattr(error, 'colno', 1)}"
        what, mend = _told(str(getattr(error, "msg", error)))
        return Layer(problems=[ConfigurationProblem(where=where, path="", what=what, mend=mend)])
    return _Reading(name, find_places(text)).read(document)


TOML_MEND = "TOML is lines of `key = value` under headers such as [runtime], with text in double quotes"
TWICE = "is given twice"


def _told(said: str) -> tuple[str, str]:
    """Say what the parser says: what is wrong, and the mend."""
    if said.startswith("Cannot overwrite"):  # a value, or what an inline table holds
        return f"the key that ends here {TWICE}", "keep one"
    if declared := re.search(r"\((.*)\) twice", said):
        keys = re.findall(r"'([^']*)'", declared[1])
        return f"the table [{'.'.join(keys)}] {TWICE}", "keep one"
    return f"this is no TOML: {said}", TOML_MEND


@attrs.define
class _Reading:
    """One file on its way to a layer."""

    name: str
    places: Mapping[Keys, Place]
    given: dict[str, Given] = attrs.field(factory=dict)
    problems: list[ConfigurationProblem] = attrs.field(factory=list)

    def read(self, document: Mapping[str, Any]) -> Layer:
        for key, value in document.items():
            if key in SECTIONS and key:
                if isinstance(value, dict):
                    self._table(value, key)
                else:
                    tables = isinstance(value, list) and any(isinstance(item, dict) for item in value)
                    told = "is an array of tables" if tables else f"= {shown_short(value)} is not allowed"
                    self._add(told, f"allowed: a table, [{key}]", (key,), None if tables else value)
            else:
                self._setting((key,), value)
        return Layer(self.given, self.problems)

    def _table(self, table: Mapping[str, Any], section: str) -> None:
        for key, value in table.items():
            self._setting((section, key), value)

    def _setting(self, keys: Keys, raw: Any) -> None:
        spelled = ".".join(keys)
        setting = by_key().get(spelled)
        if setting is None:
            self._add("is no setting", mend_for_path(spelled), keys)
            return
        line, column = self._place(keys)
        given = Given(setting.path, raw, Origin(Source.FILE, self.name, line, column), spelled)
        other = self.given.get(setting.path)
        if other is not None:
            self._add("is given twice", f"{other.spelled} stands in line {other.origin.line}; keep one", keys)
        elif spelled != setting.path and isinstance(raw, str):
            self.problems.append(refusal(given, f'a number of seconds; text such as "30s" goes to {setting.path}'))
        else:
            self.given[setting.path] = given

    def _place(self, keys: Keys) -> Place:
        """Return where a key stands or, of one that only others' paths name, where the first of these stands."""
        below = (place for path, place in self.places.items() if path[: len(keys)] == keys)
        return self.places.get(keys) or min(below, default=(1, 1))

    def _add(self, what: str, mend: str, keys: Keys, value: object = None) -> None:
        line, column = self._place(keys)
        self.problems.append(
            ConfigurationProblem(
                where=f"{self.name}:{line}:{column}", path=".".join(keys), what=what, mend=mend, value=value
            )
        )


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """Read the variables that belong to rkruntime; an empty one counts as not set."""
    known = {setting.variable: setting for setting in settings()}
    given: dict[str, Given] = {}
    warnings = []
    for name, text in sorted(environ.items()):
        if name in known and text:
            setting = known[name]
            given[setting.path] = Given(setting.path, setting.raw_from(text), Origin(Source.ENVIRONMENT, name))
        elif name.startswith(PREFIX) and name not in known:
            warnings.append(f"{name} is no variable of rkruntime; {mend_for_variable(name)}")
    return Layer(given, warnings=warnings)


def argument_layer(arguments: Mapping[str, Any]) -> Layer:
    """Take values given in code or on the command line, by path."""
    origin = Origin(Source.ARGUMENT)
    unknown = [path for path in arguments if path not in by_path()]
    return Layer(
        {path: Given(path, value, origin) for path, value in arguments.items() if path in by_path()},
        [
            ConfigurationProblem(where=origin.where, path=path, what="is no setting", mend=mend_for_path(path))
            for path in unknown
        ],
    )
