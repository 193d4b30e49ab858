"""Write answers: JSON from plain values and attrs records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import orjson
from starlette.responses import Response

__all__ = ("JSON", "as_json", "json_response")

JSON = "application/json"


def as_json(value: Any) -> bytes:
    """Write plain values, NumPy arrays and attrs records as JSON."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SERIALIZE_NUMPY)


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON."""
    return Response(as_json(value), status, headers, JSON)


def _plain(value: Any) -> Any:
    if attrs.has(type(value)):
        return attrs.asdict(value, recurse=False)
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
