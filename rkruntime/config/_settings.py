"""Every setting as one row of a table read off the fields: files, environment, command line and pages use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import attrs

from rkruntime.config._about import About, about_of, is_section
from rkruntime.config._kinds import Kind, Seconds, shown
from rkruntime.config._production import ProductionConfig

__all__ = (
    "PREFIX",
    "SECTIONS",
    "Setting",
    "by_key",
    "by_path",
    "config_classes",
    "default_text",
    "setting_at",
    "settings",
    "value_at",
)

PREFIX = "RUSTKERNEL_"


@attrs.frozen(kw_only=True)
class Setting:
    """One setting.

    Args:
        section: Its table in a file; empty for the topmost ones.
        name: Its key there, and its field's name.
        kind: What it takes.
        default: Its value where nothing sets it; computed ones as they are on this machine.
        about: What its field says of it.
    """

    section: str
    name: str
    kind: Kind
    default: Any
    about: About

    @property
    def path(self) -> str:
        """Where it stands in a file: `runtime.worker_threads`."""
        return f"{self.section}.{self.name}" if self.section else self.name

    @property
    def variable(self) -> str:
        """Its environment variable: by the rule, unless it has a name of its own."""
        return self.about.variable or PREFIX + self.path.replace(".", "_").upper()

    @property
    def other_key(self) -> str | None:
        """A second name in files: durations are also taken as numbers, under the key that ends in `_secs`."""
        return f"{self.name}_secs" if isinstance(self.kind, Seconds) else None

    @property
    def builder_method(self) -> str:
        """Its method of `RuntimeBuilder`, if it is the runtime's."""
        return f"with_{self.about.method or self.name}"

    def raw_from(self, text: str) -> object:
        """Turn the text of its environment variable into a raw value, as a file would hold it."""
        if self.about.variable_unit and text.strip().replace(".", "", 1).isdigit():
            return text.strip() + self.about.variable_unit
        return self.kind.from_text(text)


@cache
def settings() -> tuple[Setting, ...]:
    """Return every setting, in the order of a file: the topmost ones, then section by section."""
    return tuple(sorted(_walk(ProductionConfig), key=lambda setting: SECTIONS.index(setting.section)))


@cache
def by_path() -> Mapping[str, Setting]:
    """Return every setting by its path."""
    return {setting.path: setting for setting in settings()}


@cache
def by_key() -> Mapping[str, Setting]:
    """Return every setting by every path that a file may spell it with."""
    others = {f"{s.section}.{s.other_key}".lstrip("."): s for s in settings() if s.other_key}
    return {**by_path(), **others}


@cache
def config_classes() -> tuple[tuple[str, type], ...]:
    """Return the classes with their sections, outer ones first."""
    return tuple(_classes(ProductionConfig))


def setting_at(path: str) -> Setting:
    """Return the setting at a path.

    Raises:
        KeyError: There is none.
    """
    return by_path()[path]


def value_at(config: ProductionConfig, path: str) -> Any:
    """Return the value of a configuration at a path."""
    section, _, name = path.rpartition(".")
    return getattr(getattr(config, section) if section else config, name)


def default_text(setting: Setting) -> str:
    """Write a setting's default, for people."""
    if setting.about.computed:
        return setting.about.computed
    return "none" if setting.default is None else shown(setting.kind.write(setting.default))


def _classes(cls: type) -> Iterator[tuple[str, type]]:
    yield cls.SECTION, cls  # type: ignore[attr-defined]
    for field in attrs.fields(cls):
        if is_section(field):
            yield from _classes(field.validator.type)


def _walk(cls: type) -> Iterator[Setting]:
    for section, owner in _classes(cls):
        blank = owner()
        for field in attrs.fields(owner):
            if not is_section(field):
                assert isinstance(field.validator, Kind)
                yield Setting(
                    section=section,
                    name=field.name,
                    kind=field.validator,
                    default=getattr(blank, field.name),
                    about=about_of(field),
                )


SECTIONS: tuple[str, ...] = tuple(section for section, _ in _classes(ProductionConfig))
