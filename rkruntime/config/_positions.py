"""Where each key of a TOML text stands: the parser gives values without their places.

The text is one that the parser has taken, so this need only tell keys from values, and never judge them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias

import tomli

__all__ = ("Place", "find_places")

Place: TypeAlias = tuple[int, int]
"""Line and column, both from 1."""
Keys: TypeAlias = tuple[str, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?"{3,5}(?!")|\'\'\'.*?'{3,5}(?!')|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''', re.DOTALL
)
_BARE = re.compile(r"[^,\]}#\n]*")
_COMMA = re.compile(r",?")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_HEADER_BEGIN = re.compile(r"\[+[ \t]*")
_HEADER_END = re.compile(r"[ \t]*\]+")


def find_places(text: str) -> dict[Keys, Place]:
    """Return the place of every key and table header, by its path; the first one where a path comes again.

    Args:
        text: TOML that `tomli` has taken.
    """
    plain = text.replace("\r\n", "\n")
    places: dict[Keys, Place] = {}
    for keys, offset in _Scan(plain).statements():
        line_start = plain.rfind("\n", 0, offset) + 1
        places.setdefault(keys, (plain.count("\n", 0, offset) + 1, offset - line_start + 1))
    return places


class _Scan:
    """One walk over a text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def statements(self) -> Iterator[tuple[Keys, int]]:
        """Yield every key with its path and its offset."""
        table: Keys = ()
        self._pass(_BLANK)
        while self._at < len(self._text):
            begin = self._at
            if self._text[begin] == "[":
                self._pass(_HEADER_BEGIN)
                table = self._keys()
                yield table, begin
                self._pass(_HEADER_END)
            else:
                yield from self._pair(table)
            self._pass(_BLANK)

    def _pair(self, table: Keys) -> Iterator[tuple[Keys, int]]:
        begin = self._at
        path = table + self._keys()
        yield path, begin
        self._pass(_EQUALS)
        yield from self._value(path)

    def _keys(self) -> Keys:
        keys = [self._key()]
        while self._pass(_DOT):
            keys.append(self._key())
        return tuple(keys)

    def _key(self) -> str:
        written = self._pass(_KEY)
        return next(iter(tomli.loads(f"{written} = 0"))) if written[:1] in ('"', "'") else written

    def _value(self, path: Keys) -> Iterator[tuple[Keys, int]]:
        first = self._text[self._at]
        if first in "\"'":
            self._pass(_STRING)
        elif first in "[{":
            yield from self._bracket(path, "]" if first == "[" else "}")
        else:
            self._pass(_BARE)

    def _bracket(self, path: Keys, closing: str) -> Iterator[tuple[Keys, int]]:
        """Walk an array or an inline table; keys of tables within an array have the array's path before them."""
        self._at += 1
        self._pass(_BLANK)
        while self._text[self._at] != closing:
            if closing == "}":
                yield from self._pair(path)
            else:
                yield from self._value(path)
            self._pass(_BLANK)
            self._pass(_COMMA)
            self._pass(_BLANK)
        self._at += 1

    def _pass(self, pattern: re.Pattern[str]) -> str:
        """Go past what the pattern takes here, and return it."""
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]
