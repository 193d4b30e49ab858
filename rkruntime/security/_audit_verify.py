"""Check audit logs: every line by itself, and that each follows the one before, through all files of a chain."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from rkruntime.errors import UnreadableInput
from rkruntime.security._audit_file import LONGEST_LINE
from rkruntime.security._chain import NO_KEY, NOTHING, Break, Link, links, read_line

__all__ = ("AuditVerdict", "verify_audit")


@attrs.frozen(kw_only=True)
class AuditVerdict:
    """What a check found.

    Args:
        files: The files, in the order of the chain.
        records: Records that are whole, up to the break if there is one.
        first: The number of the first record; 0 where there is none.
        head: The number and hash of the last whole record.
        broken: The first thing that is wrong; None where all is well.
        path: The file it is in.
    """

    files: tuple[str, ...]
    records: int
    first: int
    head: Link
    broken: Break | None = None
    path: str | None = None

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.broken is None

    def to_dict(self) -> dict[str, Any]:
        """Turn the verdict into plain values, for JSON."""
        return {"whole": self.whole, **attrs.asdict(self)}

    def __str__(self) -> str:
        if self.broken is not None:
            return f"{self.path}:{self.broken.line}: record {self.broken.seq:,}: {self.broken.what}"
        if not self.records:
            return "no records"
        count = f"{self.records:,} record{'s' if self.records != 1 else ''}"
        return (
            f"{count}, {self.first:,} to {self.head.seq:,}, chained without a break; the last hash is {self.head.hash}"
        )


def verify_audit(
    paths: Sequence[str | os.PathLike[str]], *, partial: bool = False, head: str | None = None, key: bytes = NO_KEY
) -> AuditVerdict:
    """Check the files of one chain; they may be given in any order.

    Args:
        paths: The log and, where it has been rotated, the files before it.
        partial: Allow the chain to begin with another record than the first: earlier files are elsewhere.
        head: A hash noted earlier that must be among those of the chain: it shows whether the end was cut off, or
            all of it written anew.
        key: The chain's; empty where it was written without one.

    Raises:
        UnreadableInput: A file cannot be read.
    """
    files = sorted((str(os.fspath(path)) for path in paths), key=functools.partial(_first_number, key=key))
    at: Link | None = None if partial else NOTHING
    records, first, seen = 0, 0, head is None
    for path in files:
        for found in _links(path, at, key):
            if isinstance(found, Break):
                torn = found.torn and path == files[-1]
                return _verdict(files, records, first, at, attrs.evolve(found, torn=torn), path)
            records, first, at = records + 1, first or found.seq, found
            seen = seen or found.hash == head
    if not seen:
        number = (at or NOTHING).seq
        what = "the hash that was noted is none of the chain's: its end was cut off, or it was written anew"
        lost = Break(_lines(files[-1]) + 1, number + 1, what)
        return _verdict(files, records, first, at, lost, files[-1])
    return _verdict(files, records, first, at, None, None)


def _verdict(
    files: list[str], records: int, first: int, at: Link | None, broken: Break | None, path: str | None
) -> AuditVerdict:
    return AuditVerdict(files=tuple(files), records=records, first=first, head=at or NOTHING, broken=broken, path=path)


def _first_number(path: str, key: bytes) -> int:
    read = read_line(next(_read(path), b"").rstrip(b"\n"), key)
    return 0 if isinstance(read, str) else read[0].seq


def _links(path: str, before: Link | None, key: bytes) -> Iterator[Link | Break]:
    return links(_read(path), before, key)


def _lines(path: str) -> int:
    return sum(1 for _ in _read(path))


def _read(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            yield from iter(functools.partial(file.readline, LONGEST_LINE), b"")
    except OSError as error:
        raise UnreadableInput(path, f"it cannot be read: {error.strerror}", "give an audit log") from error
