"""What a field says of itself, besides its type, its default and its validator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from rkruntime.redact import HIDDEN, redacted_text

__all__ = ("HIDDEN", "About", "about", "about_of", "cleaned", "documented", "hidden", "is_section", "section")

_KEY = "rkruntime.about"
_SECTION_KEY = "rkruntime.section"
C = TypeVar("C", bound=type)

section: Mapping[str, Any] = {_SECTION_KEY: True}
"""Metadata of a field that holds a section of settings, and is no setting itself."""


@attrs.frozen
class About:
    """What a setting says of itself.

    Args:
        help: What it does, in one line.
        variable: Its environment variable, where it is not the one that the rule gives.
        variable_unit: The unit of a plain number in that variable.
        secret: Never shown; written to files as it is.
        method: Its method of the builders, where it is not its name.
        computed: In words, a default that depends on the machine.
    """

    help: str
    variable: str | None = None
    variable_unit: str = ""
    secret: bool = False
    method: str | None = None
    computed: str | None = None


def hidden(value: object) -> str:
    """Stand for a secret in the repr of its class."""
    return "None" if value is None else HIDDEN


def cleaned(value: object) -> str:
    """Write a value in the repr of its class, without the password that an address may hold."""
    return redacted_text(repr(value))


def about(help: str, **more: Any) -> Mapping[str, About]:  # noqa: A002  # the word that readers look for
    """Make the metadata of a setting; the arguments are those of `About`."""
    return {_KEY: About(help, **more)}


def about_of(field: attrs.Attribute[Any]) -> About:
    """Return what a field says of itself."""
    said: About = field.metadata[_KEY]
    return said


def is_section(field: attrs.Attribute[Any]) -> bool:
    """Whether a field holds a section of settings."""
    return _SECTION_KEY in field.metadata


def documented(cls: C) -> C:
    """Add the fields to a class's docstring: what they do is spelled in the fields alone."""
    fields: tuple[attrs.Attribute[Any], ...] = attrs.fields(cls)
    lines = [f"    {f.name}: {'Its section.' if is_section(f) else about_of(f).help}" for f in fields]
    cls.__doc__ = "\n".join([(cls.__doc__ or "").rstrip(), "", "Args:", *lines])
    return cls
