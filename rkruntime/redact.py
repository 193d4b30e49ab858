"""Take secrets out of what is logged or told: by the names of fields, and by the forms that secrets have.

Names catch what a program logs as a field; forms catch what is in the midst of a text, such as an exception's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import Any

__all__ = (
    "HIDDEN",
    "KEY_PREFIX",
    "is_secret_name",
    "redact_event",
    "redacted",
    "redacted_fields",
    "redacted_text",
    "without_folders",
)

HIDDEN = "(hidden)"
"""What stands in the place of a secret."""

KEY_PREFIX = "rk_"
"""How every API key begins, so that one that has leaked is known as one."""

_DEEPEST = 8
_PLAIN = (str, int, float, type(None))
_NAMES = (
    r"pass(word|wd|phrase)?|secret|token|bearer|authori[sz]ation|cookie|credentials?|"
    r"(api|private|signing|client|access|admin|secret)[_-]?keys?(_hash)?|key_hash|otlp_headers"
)
_SECRET_NAME = re.compile(rf"(^|[_.\-])({_NAMES})$", re.IGNORECASE)
_FORMS = re.compile(
    r"""
      (?P<pem> -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z) )
    | (?P<scheme> \b(?:bearer|basic|digest|negotiate)\b[ \t:=]+ )
      (?!(?-i:[A-Za-z]?[a-z]+)(?![A-Za-z0-9._~+/=\-]))  # a plain word is no credential
      [A-Za-z0-9._~+/=\-]{6,}
    | (?P<jwt> \beyJ[A-Za-z0-9_\-]{5,}\.[A-Za-z0-9_\-]*\.[A-Za-z0-9_\-]* )
    | (?P<key> \brk_[A-Za-z0-9]{6,}_[A-Za-z0-9_\-]{16,} )
    | (?P<scrypt> scrypt:[0-9]+:[0-9]+:[0-9]+:[A-Za-z0-9_\-]+:[A-Za-z0-9_\-]+ )
    | (?P<user> \b[a-z][a-z0-9+.\-]*://[^/\s:@]*: ) [^/\s@]+ (?=@)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


_FOLDERS = re.compile(
    r"""
      (?<![\w:/.~\[\]\-]) (?!/(?:v1|dashboard)/)
      (?: ~? (?: /[\w.@+\-]+ )+ / (?=[\w.@+\-])          # an absolute path, up to its last part
        | (?: [\w.@+\-]+/ )+ (?=[\w.@+\-]+\.pyc?\b) )    # a relative one of a Python file
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret, as `password`, `authorization` and `oidc.client_secret` do."""
    return _SECRET_NAME.search(name) is not None


def has_hint(text: str) -> bool:
    """Whether a text may hold what has the form of a secret."""
    low = text.lower()
    return (
        "rk_" in low
        or "eyj" in low
        or "bearer" in low
        or "basic" in low
        or "digest" in low
        or "negotiate" in low
        or "://" in low
        or "private key" in low
        or "scrypt:" in low
    )


def redacted_text(text: str) -> str:
    """Return a text with all that has the form of a secret hidden; what stands around it is kept."""
    if not has_hint(text):  # nearly every text: the search costs many times more
        return text
    return _FORMS.sub(lambda found: (found["scheme"] or found["user"] or "") + HIDDEN, text)


def without_folders(text: str) -> str:
    """Return a text in which files are named without the folders they are in: for whoever asks from elsewhere.

    Paths of two parts or more are cut, absolute ones and those of Python files; routes of the service, which begin with
    `/v1/` or `/dashboard/`, and URLs are not.
    """
    if "/" not in text:
        return text
    return _FOLDERS.sub("", text)


def redacted(value: Any, depth: int = 0) -> Any:
    """Return a value without its secrets: texts, and what is in mappings and sequences; other objects by their text."""
    if isinstance(value, str):
        return redacted_text(value)
    if value is None or isinstance(value, int | float):
        return value
    if depth == _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {key: redacted_field(str(key), item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, depth + 1) for item in value]
    if isinstance(value, bytes | bytearray):
        return redacted_text(value.decode("utf-8", "replace"))
    told = str(value)
    clean = redacted_text(told)
    return value if clean == told else clean


def redacted_field(name: str, value: Any, depth: int = 0) -> Any:
    """Return the value of a field of this name, without its secrets."""
    return HIDDEN if value is not None and is_secret_name(name) else redacted(value, depth)


def redacted_fields(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return fields without their secrets; quick where they are plain and hold none, as nearly all do."""
    values = fields.values()
    plain = all(isinstance(value, _PLAIN) for value in values)
    if plain and not any(map(is_secret_name, fields)) and not has_hint("\n".join(filter(_is_text, values))):
        return fields
    cleaned: Mapping[str, Any] = redacted(fields)
    return cleaned


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take the secrets out of an event: a processor for structlog, to stand after what formats exceptions."""
    for name, value in event.items():
        event[name] = redacted_field(name, value)
    return event
