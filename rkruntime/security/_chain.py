"""The chain of the audit log: what a line is, and whether lines follow each other. Decisions only.

A line is one JSON object in one exact form, `seq`, `prev` and `hash` among its fields. `hash` is the SHA-256 of the
line without it; `prev` is the hash of the line before, and of the first line 64 zeros. Whoever changes, deletes,
inserts or reorders a line has to write all lines after it anew; the last hash, noted elsewhere, shows that too.

With a key, `hash` is `hmac:` and the HMAC-SHA-256 of the line (RFC 2104): whoever lacks it can write nothing anew, nor
check the chain. A line of a chain with a key is never taken for one without, nor the other way.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

__all__ = ("NOTHING", "NO_KEY", "Break", "Link", "chained", "line_of", "links", "read_line")

_OWN = ("seq", "prev", "hash")
_KEYED = "hmac:"
NO_KEY = b""
"""In place of a key: anybody can compute the hashes."""


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


def line_of(fields: Mapping[str, Any], before: Link, key: bytes = NO_KEY) -> tuple[bytes, Link]:
    """Write the line that follows `before`.

    Args:
        fields: What it is to say: plain values, as JSON has them; `seq`, `prev` and `hash` are the chain's.
        before: Where the chain stands.
        key: The chain's.

    Returns:
        The line with its newline, and where the chain then stands.
    """
    told = {key: value for key, value in fields.items() if key not in _OWN}
    plain = _written({"seq": before.seq + 1, **told, "prev": before.hash})
    digest = _digest(plain, key)
    return _with_hash(plain, digest) + b"\n", Link(before.seq + 1, digest)


def read_line(data: bytes, key: bytes = NO_KEY) -> tuple[Link, str] | str:
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
    if digest.startswith(_KEYED) is not bool(key):
        return "it was written without the key" if key else "it was written with a key, which is needed to check it"
    try:
        plain = _written(told)
        if not hmac.compare_digest(_digest(plain, key).encode(), digest.encode()):
            return "its hash is not that of its content" + (" under this key" if key else "")
        if _with_hash(plain, digest) != data:
            return "it is not written as records are"
    except (ValueError, RecursionError):
        return "it is not written as records are"
    return Link(seq, digest), before


def chained(data: bytes, before: Link, key: bytes = NO_KEY) -> Link | str:
    """Check a line by itself and as the one that follows `before`."""
    read = read_line(data, key)
    if isinstance(read, str):
        return read
    link, prev = read
    if link.seq != before.seq + 1:
        return f"its number is {link.seq}, and {before.seq + 1} was expected"
    if prev != before.hash:
        return "it does not follow the line before: prev is another hash"
    return link


def links(content: Iterator[bytes], before: Link | None = None, key: bytes = NO_KEY) -> Iterator[Link | Break]:
    """Check lines one after the other; the first break ends it.

    Args:
        content: The lines of a file, each with its newline.
        before: Where the chain stands before them; None to take the first line's word for it.
        key: The chain's.
    """
    for number, data in enumerate(content, 1):
        whole = data.endswith(b"\n")
        if before is None:
            read = read_line(data[:-1], key)
            before = NOTHING if isinstance(read, str) else Link(read[0].seq - 1, read[1])
            if before.seq == 0:
                before = NOTHING  # a chain begins with a known hash
        found = chained(data[:-1], before, key) if whole else "it ends in its midst"
        if isinstance(found, str):
            yield Break(number, before.seq + 1, found, torn=not whole)
            return
        before = found
        yield found


_ENCODE = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=str).encode


def _digest(plain: bytes, key: bytes) -> str:
    if not key:
        return hashlib.sha256(plain).hexdigest()
    return _KEYED + hmac.digest(key, plain, "sha256").hex()


def _written(told: Mapping[str, Any]) -> bytes:
    return _ENCODE(told).encode()


def _with_hash(plain: bytes, digest: str) -> bytes:
    return b'%b,"hash":"%b"}' % (plain[:-1], digest.encode())
