"""multipart/form-data (RFC 7578): one part a field, read from a whole body and written to one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from rkruntime.errors import RequestRefused

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ("MULTIPART", "Part", "read_parts", "write_parts")

MULTIPART = "multipart/form-data"
MOST_PARTS = 64
MEND = "send one part an array, and a part named launch for all else: curl -F x=@x.npy -F launch='{...}'"


@attrs.define
class Part:
    """One field.

    Args:
        name: Its name.
        kind: Its media type; empty where it has none.
        data: What it holds.
    """

    name: str
    kind: str
    data: bytearray


def read_parts(body: bytearray, content_type: str) -> list[Part]:
    """Read the fields of a body.

    Raises:
        RequestRefused: It is no such body, or has too many parts (400).
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise _refused("its Content-Type names no boundary")
    gathered = _Gathered()
    try:
        parser = MultipartParser(boundary, gathered.callbacks())
        parser.write(bytes(body))
        parser.finalize()
    except (FormParserError, UnicodeDecodeError) as error:
        raise _refused(str(error)) from None
    if not gathered.ended:
        raise _refused("it ends before its last boundary")
    return gathered.parts


def write_parts(parts: Sequence[Part]) -> tuple[bytes, str]:
    """Write fields; return the body and its content type."""
    boundary = secrets.token_hex(16)
    pieces: list[bytes | bytearray] = []
    for part in parts:
        end = ".npy" if part.kind.endswith("npy") else ".json"
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{part.name}"; filename="{part.name}{end}"\r\n'
        pieces += [head.encode(), f"content-type: {part.kind}\r\n\r\n".encode(), part.data, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), f"{MULTIPART}; boundary={boundary}"


class _Gathered:
    """Gathers what the parser finds."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.ended = False
        self._names: set[str] = set()
        self._field = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}

    def callbacks(self) -> MultipartCallbacks:
        """Return what the parser calls."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._on_field,
            "on_header_value": self._on_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._take,
            "on_part_data": self._on_data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers = {}
        if len(self.parts) == MOST_PARTS:
            raise FormParserError(f"it has more than {MOST_PARTS} parts")

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _take(self) -> None:
        disposition, options = parse_options_header(self._headers.get(b"content-disposition"))
        if disposition != b"form-data" or b"name" not in options:
            raise FormParserError("a part has no name")
        name = options[b"name"].decode()
        if name in self._names:
            raise FormParserError(f"it has two parts named {name[:40]!r}")
        self._names.add(name)
        kind, _ = parse_options_header(self._headers.get(b"content-type"))
        self.parts.append(Part(name, kind.decode("latin-1").lower(), bytearray()))

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].data += memoryview(data)[start:end]

    def _end(self) -> None:
        self.ended = True


def _refused(why: str) -> RequestRefused:
    return RequestRefused(400, f"the body is no multipart/form-data: {why}", MEND)
