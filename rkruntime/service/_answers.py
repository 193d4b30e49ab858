"""What handlers answer with, as values: whole answers, and those that are sent part by part."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import attrs
import orjson

__all__ = ("JSON", "Answer", "Parts", "Reply", "Streamed", "as_json", "json_response")

JSON = "application/json"
Parts: TypeAlias = AsyncGenerator[bytes | memoryview, None]
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def as_json(value: Any) -> bytes:
    """Write plain values, NumPy arrays and attrs records as JSON."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)


class Answer:
    """An answer that is there as a whole.

    Args:
        body: What to send; in pieces where putting a large one together would keep other requests waiting.
        status: The status.
        kind: The body's media type.
        headers: Further headers, with names in lower case.
    """

    __slots__ = ("headers", "kind", "pieces", "status")

    def __init__(
        self,
        body: bytes | Sequence[bytes],
        status: int = 200,
        kind: str = JSON,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        self.pieces: Sequence[bytes] = (body,) if isinstance(body, bytes) else body
        self.status = status
        self.kind = kind
        self.headers = headers

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)


class Streamed:
    """An answer that is sent part by part.

    Args:
        parts: What to send; ends when its client has left or there is no more.
        kind: The body's media type.
        headers: Further headers, with names in lower case.
        length: Bytes of all parts; None where nobody knows.
    """

    __slots__ = ("headers", "kind", "length", "parts", "status")

    def __init__(
        self,
        parts: Parts,
        kind: str,
        headers: Mapping[str, str] = NO_HEADERS,
        length: int | None = None,
    ) -> None:
        self.parts = parts
        self.status = 200
        self.kind = kind
        self.headers = headers
        self.length = length


Reply: TypeAlias = Answer | Streamed


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> Answer:
    """Answer with JSON."""
    return Answer(as_json(value), status, JSON, headers)


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return attrs.asdict(value, recurse=False)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
