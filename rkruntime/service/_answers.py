"""Write answers: JSON from plain values and attrs records."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs
import orjson
from starlette.types import Receive, Scope, Send

__all__ = ("JSON", "Answer", "as_json", "json_response")

JSON = "application/json"
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


def as_json(value: Any) -> bytes:
    """Write plain values, NumPy arrays and attrs records as JSON."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)


class Answer:
    """An answer that is there as a whole; Starlette's Response, without what no answer of ours needs.

    Args:
        body: What to send.
        status: The status.
        kind: The body's media type.
        headers: Further headers, with names in lower case.
    """

    __slots__ = ("body", "headers", "kind", "status")

    def __init__(
        self, body: bytes, status: int = 200, kind: str = JSON, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        self.body = body
        self.status = status
        self.kind = kind
        self.headers = headers

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it."""
        headers = [(b"content-type", self.kind.encode("latin-1")), (b"content-length", b"%d" % len(self.body))]
        headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> Answer:
    """Answer with JSON."""
    return Answer(as_json(value), status, JSON, headers)


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return attrs.asdict(value, recurse=False)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
