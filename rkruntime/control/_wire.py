"""What goes over the socket: one JSON object a line. Decisions only; both sides use them.

A client sends one request, the runtime answers with one line or more and closes:

| request | answer |
|---|---|
| `{"request": "status"}` | `{"kind": "status", ...}` |
| `{"request": "drain", "timeout_s": 30.0}` | `{"kind": "progress", ...}` each 0.2 s, then `{"kind": "report", ...}` |
| anything else | `{"kind": "refused", "error": ..., "mend": ...}` |

`timeout_s` may be left out; the configured `shutdown_timeout` holds then.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

__all__ = ("LONGEST_REQUEST", "Line", "encode", "peer", "read_request")

LONGEST_REQUEST = 4096
"""Bytes of a request, with its newline, at most."""

Line: TypeAlias = dict[str, Any]


def encode(line: Line) -> bytes:
    """Write one line."""
    return json.dumps(line, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def read_request(data: bytes) -> tuple[str, float | None] | str:
    """Read a request.

    Returns:
        The request's name and its `timeout_s`; or, as one text, why it is none.
    """
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return "it is no JSON object"
    if not isinstance(told, dict):
        return "it is no JSON object"
    request, timeout = told.pop("request", None), told.pop("timeout_s", None)
    if request not in ("status", "drain"):
        return "its request is neither status nor drain"
    if told or (request == "status" and timeout is not None):
        return "it holds more than it may"
    if timeout is None:
        return request, None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 <= timeout <= 1e9:
        return "its timeout_s is no number of seconds"
    return request, float(timeout)


def peer(connection: Any) -> tuple[int, int]:
    """Return the process and the user at the other end of a socket, as the system knows them."""
    import socket  # here, since whoever only asks does not ask who answers
    import struct

    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    process, user, _ = struct.unpack("3i", told)
    return process, user
