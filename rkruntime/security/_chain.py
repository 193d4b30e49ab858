"""The chain of the audit log: what a line is, and whether lines follow each other. Decisions only.

A line is one JSON object in one exact form, `seq`, `prev` and `hash` among its fields. `hash` is the SHA-256 of the
line without it; `prev` is the hash of the line before, and of the first line 64 zeros. Whoever changes, deletes,
inserts or reorders a line has to write all lines after it anew; the last hash, noted elsewhere, shows that too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

__all__ = ("NOTHING", "Break", "Link", "chained", "line_of", "links", "read_line")

_OWN = ("seq", "prev", "hash")


@attrs.frozen
class Link:
    """Where a chain stands: the number and hash of its last line."""

    seq: int
    hash: str


NOTHING = Link(0, "0" * 64)
"""Where a chain stands before its first line."""


@attrs.frozen
class Break:
    """The first thing that is wrong with a chain.

    Args:
        line: The line's number in its file, from 1.
        seq: The number that was expected there.
        what: What is wrong.
        torn: Whether it is no more than a last line that ends in its midst, as a crash leaves it.
    """

    line: int
    seq: int
    what: str
    torn: bool = False


def line_of(fields: Mapping[str, Any], before: Link) -> tuple[bytes, Link]:
    """Write the line that follows `before`.

    Args:
        fields: What it is to say: plain values, as JSON has them; `seq`, `prev` and `hash` are the chain's.
        before: Where the chain stands.

    Returns:
        The line with its newline, and where the chain then stands.
    """
    told = {key: value for key, value in fields.items() if key not in _OWN}
    plain = _written({"seq": before.seq + 1, **told, "prev": before.hash})
    digest = hashlib.sha256(plain).hexdigest()
    return _with_hash(plain, digest) + b"\n", Link(before.seq + 1, digest)


def read_line(data: bytes) -> tuple[Link, str] | str:
    """Read a line without its newline, and check it by itself.

    Returns:
        Where it puts the chain, and the hash of the line before; or, as one text, what is wrong.
    """
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return "it is no JSON"
    if not isinstance(told, dict) or not all(key in told for key in _OWN):
        return "it is no record: seq, prev and hash are not all there"
    seq, before, digest = told["seq"], told["prev"], told.pop("hash")
    if type(seq) is not int or not isinstance(before, str) or not isinstance(digest, str):
        return "its seq, prev or hash is of another type"
    try:
        plain = _written(told)
        if hashlib.sha256(plain).hexdigest() != digest:
            return "its hash is not that of its content"
        if _with_hash(plain, digest) != data:
            return "it is not written as records are"
    except (ValueError, RecursionError):
        return "it is not written as records are"
    return Link(seq, digest), before


def chained(data: bytes, before: Link) -> Link | str:
    """Check a line by itself and as the one that follows `before`."""
    read = read_line(data)
    if isinstance(read, str):
        return read
    link, prev = read
    if link.seq != before.seq + 1:
        return f"its number is {link.seq}, and {before.seq + 1} was expected"
    if prev != before.hash:
        return "it does not follow the line before: prev is another hash"
    return link


def links(content: Iterator[bytes], before: Link | None = None) -> Iterator[Link | Break]:
    """Check lines one after the other; the first break ends it.

    Args:
        content: The lines of a file, each with its newline.
        before: Where the chain stands before them; None to take the first line's word for it.
    """
    for number, data in enumerate(content, 1):
        whole = data.endswith(b"\n")
        if before is None:
            read = read_line(data[:-1])
            before = NOTHING if isinstance(read, str) else Link(read[0].seq - 1, read[1])
            if before.seq == 0:
                before = NOTHING  # a chain begins with a known hash
        found = chained(data[:-1], before) if whole else "it ends in its midst"
        if isinstance(found, str):
            yield Break(number, before.seq + 1, found, torn=not whole)
            return
        before = found
        yield found


_ENCODE = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=str).encode


def _written(told: Mapping[str, Any]) -> bytes:
    return _ENCODE(told).encode()


def _with_hash(plain: bytes, digest: str) -> bytes:
    return b'%b,"hash":"%b"}' % (plain[:-1], digest.encode())
