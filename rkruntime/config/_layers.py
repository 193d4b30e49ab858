"""Layers of given values, each with its origin, and which of them wins."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from rkruntime.config._about import HIDDEN
from rkruntime.config._kinds import shown
from rkruntime.config._presets import PRESETS
from rkruntime.config._settings import by_path
from rkruntime.errors import ConfigurationProblem
from rkruntime.redact import redacted_text

__all__ = ("DEFAULT", "Given", "Layer", "Origin", "Source", "merge", "preset_layer", "refusal", "shown_short")

LONGEST_VALUE = 120
"""Characters of a value in a message."""


class Source(enum.IntEnum):
    """Where values come from; the greater one wins."""

    DEFAULT = 0
    PRESET = 1
    FILE = 2
    ENVIRONMENT = 3
    ARGUMENT = 4


@attrs.frozen
class Origin:
    """Where one value comes from.

    Args:
        source: Its kind.
        name: The preset, file or variable.
        line: Its line in the file, from 1.
        column: Its column there, from 1.
    """

    source: Source
    name: str = ""
    line: int | None = None
    column: int | None = None

    @property
    def where(self) -> str:
        """The place, as messages begin with it."""
        if self.source is Source.FILE:
            return self.name if self.line is None else f"{self.name}:{self.line}:{self.column}"
        return self.name if self.source is Source.ENVIRONMENT else str(self)

    def __str__(self) -> str:
        place = self.name if self.line is None else f"{self.name}:{self.line}"
        return f"{self.source.name.lower()} {place}".rstrip()


DEFAULT = Origin(Source.DEFAULT)


@attrs.frozen
class Given:
    """One raw value.

    Args:
        path: The setting's.
        raw: As a file would hold it, or a value.
        origin: Where it comes from.
        spelled: The path as it was written there.
    """

    path: str
    raw: Any
    origin: Origin
    spelled: str = attrs.field(default=attrs.Factory(lambda self: self.path, takes_self=True))


@attrs.frozen
class Layer:
    """What one source gives.

    Args:
        given: By path.
        problems: What is wrong with it, apart from the values.
        warnings: What may be wrong with it.
    """

    given: Mapping[str, Given] = attrs.field(factory=dict)
    problems: Sequence[ConfigurationProblem] = ()
    warnings: Sequence[str] = ()


def merge(layers: Sequence[Layer]) -> dict[str, Given]:
    """Return for each path the value that wins: that of the greatest source."""
    merged: dict[str, Given] = {}
    for layer in layers:
        for path, given in layer.given.items():
            if path not in merged or given.origin.source >= merged[path].origin.source:
                merged[path] = given
    return merged


def preset_layer(name: str) -> Layer:
    """Return what a preset gives."""
    origin = Origin(Source.PRESET, name)
    paths = {
        f"{section}.{key}".lstrip("."): value
        for section, values in PRESETS[name].items()
        for key, value in values.items()
    }
    return Layer({path: Given(path, value, origin) for path, value in paths.items()})


def shown_short(value: Any) -> str:
    """Write a value as TOML does, cut where it is longer than a message may be."""
    text = shown(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def refusal(given: Given, allowed: str, *, where: str | None = None) -> ConfigurationProblem:
    """Say that a value is not allowed, without telling a secret."""
    secret = given.path in by_path() and by_path()[given.path].about.secret
    value = HIDDEN if secret else redacted_text(given.raw) if isinstance(given.raw, str) else given.raw
    return ConfigurationProblem(
        where=where or given.origin.where,
        path=given.spelled,
        what=f"= {HIDDEN if secret else redacted_text(shown_short(value))} is not allowed",
        mend=f"allowed: {allowed}",
        value=value,
    )
