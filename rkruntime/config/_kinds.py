"""The kinds of values that settings take: each reads a raw value without coercion, checks it, and writes it back.

A kind is the attrs validator of its fields; files, the environment, the JSON Schema and the pages ask the same object.
"""

from __future__ import annotations

import math
import re
import sys
from typing import Any

import attrs

from rkruntime.config._about import HIDDEN, about_of
from rkruntime.errors import InvalidConfiguration
from rkruntime.units import ByteSize, Duration

__all__ = ("Boolean", "Bytes", "Count", "Fraction", "Kind", "Maybe", "OneOf", "Seconds", "Text", "shown")


NUMBER = r"[0-9]{1,18}(\.[0-9]{1,18})?"
NOT_ZERO = r"(?![0.]*[^0-9.]*$)"
SECONDS = rf"{NUMBER} *([nNuUµmM]?[sS]|[mM]|[mM][iI][nN]|[hH]|[dD])?"
BYTES = rf"([0-9]{{1,18}} *[bB]?|{NUMBER} *[kKmMgGtT][iI]?[bB])"
"""Texts with units, as ECMA and Python read them alike: the JSON Schema and the loader take the same ones."""


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and not a boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def is_whole(value: object) -> bool:
    """Whether a value is an integer, and not a boolean."""
    return isinstance(value, int) and not isinstance(value, bool)


class Kind:
    """A kind of values; every method but `accepts`, `allowed` and `schema` has a default that most kinds keep."""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        raise NotImplementedError

    @property
    def schema(self) -> dict[str, Any]:
        """What is allowed, as JSON Schema."""
        raise NotImplementedError

    def accepts(self, value: object) -> bool:
        """Whether this value may stand in a configuration."""
        raise NotImplementedError

    def read(self, raw: object) -> Any:
        """Turn a raw value of a file (or a value) into a value; what it cannot take comes back as it is."""
        return raw

    def from_text(self, text: str) -> object:
        """Turn the text of an environment variable into a raw value; what it cannot take comes back as it is."""
        return text

    def write(self, value: Any) -> Any:
        """Turn a value into what a file holds."""
        return value

    def __call__(self, owner: Any, field: attrs.Attribute[Any], value: Any) -> None:
        """Check a field: the interface of attrs."""
        if not self.accepts(value):
            section = getattr(type(owner), "SECTION", "")
            told = HIDDEN if about_of(field).secret else value
            raise InvalidConfiguration(f"{section}.{field.name}".lstrip("."), told, self.allowed)


@attrs.frozen
class Boolean(Kind):
    """True and false alone; no number or text stands for them."""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return "true or false"

    @property
    def schema(self) -> dict[str, Any]:
        """What is allowed, as JSON Schema."""
        return {"type": "boolean"}

    def accepts(self, value: object) -> bool:
        """Whether it is a boolean."""
        return isinstance(value, bool)

    def from_text(self, text: str) -> object:
        """Take `true` and `false`, in any case."""
        return {"true": True, "false": False}.get(text.strip().lower(), text)


@attrs.frozen
class Count(Kind):
    """Whole numbers from `at_least` up, to `at_most` if it is given."""

    at_least: int = 1
    at_most: int | None = None

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        if self.at_most is not None:
            return f"a whole number from {self.at_least} to {self.at_most}"
        return f"a whole number, at least {self.at_least}"

    @property
    def schema(self) -> dict[str, Any]:
        """What is allowed, as JSON Schema."""
        upper = {} if self.at_most is None else {"maximum": self.at_most}
        return {"type": "integer", "minimum": self.at_least} | upper

    def accepts(self, value: object) -> bool:
        """Whether it is a whole number within the bounds."""
        return is_whole(value) and self.at_least <= value and (self.at_most is None or value <= self.at_most)  # type: ignore[operator]

    def from_text(self, text: str) -> object:
        """Take digits."""
        return int(text) if re.fullmatch(r"\s*-?[0-9]{1,18}\s*", text) else text


@attrs.frozen
class Fraction(Kind):
    """Numbers above 0 and up to 1; with `zero`, 0 too."""

    zero: bool = False

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return "a fraction from 0 to 1, such as 0.1" if self.zero else "a fraction above 0 and up to 1, such as 0.8"

    @property
    def schema(self) -> dict[str, Any]:
        """What is allowed, as JSON Schema."""
        return {"type": "number", "minimum": 0, "exclusiveMinimum": not self.zero, "maximum": 1}

    def accepts(self, value: object) -> bool:
        """Whether it is a number within the bounds."""
        return is_number(value) and (0 < value <= 1 or (self.zero and value == 0))  # type: ignore[operator]

    def read(self, raw: object) -> Any:
        """Take numbers; a whole one is the same fraction."""
        return float(raw) if is_number(raw) else raw  # type: ignore[arg-type]

    def from_text(self, text: str) -> object:
        """Take a number."""
        return _float(text)


@attrs.frozen
class Seconds(Kind):
    """Durations of more than 0 seconds; with `zero`, 0 too."""

    zero: bool = False

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        bound = "at least 0 s" if self.zero else "more than 0 s"
        return f'a number of seconds or a text such as "30s" or "250ms", {bound}'

    @property
    def schema(self) -> dict[str, Any]:
        """What is allowed, as JSON Schema."""
        number = {"type": "number", "minimum": 0, "exclusiveMinimum": not self.zero, "maximum": sys.float_info.max}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{'' if self.zero else NOT_ZERO}{SECONDS}$"}]}

    def accepts(self, value: object) -> bool:
        """Whether it is a finite number within the bounds."""
        return is_number(value) and (value > 0 or (self.zero and value == 0))  # type: ignore[operator]

    def read(self, raw: object) -> Any:
        """Take seconds as a number, or text with a unit."""
        if isinstance(raw, str):
            return Duration(raw) if re.fullmatch(SECONDS, raw) else raw
        return to_duration(raw)  # type: ignore[arg-type]

    def from_text(self, text: str) -> object:
        """Take the text as a file would hold it."""
        return text.strip()

    def write(self, value: Any) -> Any:
        """Write text with a unit, or the number where that text would have too many digits."""
        text = str(Duration(value))
        return text if re.fullmatch(SECONDS, text) else float(value)


@attrs.frozen
class Bytes(Kind):
    """Byte counts from 1 up."""

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return 'a whole number of bytes or a text such as "512MiB" or "16GiB", at least 1'

    @property
    def schema(self) -> dict[str, Any]:
        """What is allowed, as JSON Schema."""
        text = {"type": "string", "pattern": f"^{NOT_ZERO}{BYTES}$"}
        return {"anyOf": [{"type": "integer", "minimum": 1}, text]}

    def accepts(self, value: object) -> bool:
        """Whether it is a whole number, at least 1."""
        return is_whole(value) and value >= 1  # type: ignore[operator]

    def read(self, raw: object) -> Any:
        """Take a whole number, or text with a unit."""
        if isinstance(raw, str):
            return ByteSize(raw) if re.fullmatch(BYTES, raw) else raw
        return to_bytes(raw)  # type: ignore[arg-type]

    def from_text(self, text: str) -> object:
        """Take the text as a file would hold it."""
        return text.strip()

    def write(self, value: Any) -> Any:
        """Write text with a unit, or the number where that text would have too many digits."""
        text = str(ByteSize(value))
        return text if re.fullmatch(BYTES, text) else int(value)


@attrs.frozen
class OneOf(Kind):
    """One of these words, or another name of one."""

    names: tuple[str, ...]
    others: tuple[tuple[str, str], ...] = ()

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return "one of " + ", ".join(self._words)

    @property
    def schema(self) -> dict[str, Any]:
        """What is allowed, as JSON Schema."""
        return {"enum": list(self._words)}

    def accepts(self, value: object) -> bool:
        """Whether it is one of the words."""
        return isinstance(value, str) and value in self.names

    def read(self, raw: object) -> Any:
        """Take a word by any of its names."""
        return dict(self.others).get(raw, str(raw)) if isinstance(raw, str) else raw

    @property
    def _words(self) -> tuple[str, ...]:
        return (*self.names, *(other for other, _ in self.others))


@attrs.frozen
class Text(Kind):
    """One line of text that is not empty, of the form `pattern` if one is given, which `form` says in words."""

    pattern: str = r"[^\x00-\x1f\x7f]+"
    form: str = "one line of text, not empty"

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return self.form

    @property
    def schema(self) -> dict[str, Any]:
        """What is allowed, as JSON Schema."""
        return {"type": "string", "pattern": f"^(?:{self.pattern})$"}

    def accepts(self, value: object) -> bool:
        """Whether it is text of this form."""
        return isinstance(value, str) and re.fullmatch(self.pattern, value) is not None


@attrs.frozen
class Maybe(Kind):
    """What `kind` takes, or nothing: in a file the key is left out."""

    kind: Kind

    @property
    def allowed(self) -> str:
        """What is allowed, in words."""
        return self.kind.allowed

    @property
    def schema(self) -> dict[str, Any]:
        """What is allowed, as JSON Schema."""
        return self.kind.schema

    def accepts(self, value: object) -> bool:
        """Whether it is nothing, or `kind` takes it."""
        return value is None or self.kind.accepts(value)

    def read(self, raw: object) -> Any:
        """Read as `kind` does."""
        return None if raw is None else self.kind.read(raw)

    def from_text(self, text: str) -> object:
        """Read as `kind` does."""
        return self.kind.from_text(text)

    def write(self, value: Any) -> Any:
        """Write as `kind` does."""
        return None if value is None else self.kind.write(value)


def _float(text: str) -> object:
    return float(text) if re.fullmatch(r"\s*-?[0-9]+(\.[0-9]+)?\s*", text) else text


def to_duration(value: float) -> Duration:
    """Give a number its unit; what is no number comes back as it is, for the validator to name."""
    return Duration(value) if is_number(value) else value  # type: ignore[return-value]


def to_bytes(value: int) -> ByteSize:
    """Give a whole number its unit; what is none comes back as it is, for the validator to name."""
    return ByteSize(value) if is_whole(value) else value  # type: ignore[return-value]


def shown(value: Any) -> str:
    """Write a value as TOML does."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return f"{float(value)!r}" if type(value) is float else str(value)
    if isinstance(value, list):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {shown(item)}" for key, item in value.items()) + " }" if value else "{}"
    return str(value)
