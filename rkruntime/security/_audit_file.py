"""The file of an audit log: who holds its lock may read its end, mend it after a crash, and add lines."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat

import attrs

from rkruntime.errors import UnreadableInput
from rkruntime.security._chain import NO_KEY, NOTHING, Link, read_line

__all__ = ("LONGEST_LINE", "Torn", "append", "head_of", "open_log", "rotate", "set_torn_aside")

CHUNK_BYTES = 2**16
LONGEST_LINE = 2**20
"""Bytes of a line, at most: longer ones are not written, and so are none."""


@attrs.frozen
class Torn:
    """What a crash left at the end of a log: where it begins, and how much of it there is, in bytes."""

    begin: int
    size: int


def open_log(path: str) -> int:
    """Open a log to read its end and add to it; only its owner may read it.

    Raises:
        UnreadableInput: It cannot be opened, or is no regular file.
    """
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        fd = os.open(path, flags, 0o600)
    except OSError as error:
        mend = "give security.audit_file a path in a folder that is there and may be written to"
        raise UnreadableInput(path, f"the audit log cannot be opened: {error.strerror}", mend) from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise UnreadableInput(path, "the audit log is no regular file", "give security.audit_file another path")
    return fd


def head_of(fd: int, path: str, key: bytes = NO_KEY) -> tuple[Link, Torn | None]:
    """Return where the log's chain stands, and what a crash left behind it.

    Raises:
        UnreadableInput: Its last whole line is no record of this key's chain: nothing is added to that.
    """
    size = os.fstat(fd).st_size
    end = _after_newline(fd, size)
    torn = Torn(end, size - end) if end < size else None
    if end == 0:
        return NOTHING, torn
    begin = _after_newline(fd, end - 1)
    read = read_line(os.pread(fd, end - 1 - begin, begin), key)
    if isinstance(read, str):
        mend = "`rustkernel audit verify` says more; move the file away, and a new chain begins"
        raise UnreadableInput(path, f"the audit log cannot go on after its last record: {read}", mend)
    return read[0], torn


def _after_newline(fd: int, end: int) -> int:
    """Return where the line begins that ends before `end`."""
    low = max(0, end - LONGEST_LINE - 1)
    while end > low:
        begin = max(low, end - CHUNK_BYTES)
        found = os.pread(fd, end - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return low


def set_torn_aside(fd: int, path: str, torn: Torn) -> tuple[str, str]:
    """Move what a crash left to a file beside the log.

    Returns:
        That file's path, and the SHA-256 of what was moved.
    """
    data = os.pread(fd, torn.size, torn.begin)
    digest = hashlib.sha256(data).hexdigest()
    aside = f"{path}.torn-{digest[:12]}"
    # Not exclusive: after a crash between the two steps it is there already, in part or whole.
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.ftruncate(fd, torn.begin)
    os.fsync(fd)
    return aside, digest


def append(fd: int, line: bytes, size: int) -> None:
    """Add a line in one write; what was written of a line that did not fit is taken back.

    Args:
        fd: The log.
        line: The line with its newline.
        size: Bytes that the log has without it.

    Raises:
        OSError: It cannot be written, as when the disk is full.
    """
    written = os.write(fd, line)
    if written != len(line):
        os.ftruncate(fd, size)
        raise OSError(errno.ENOSPC, f"{written} of {len(line)} bytes fit on the disk")


def rotate(path: str, full: str, line: bytes) -> None:
    """Put a new log with its first line in the place of the full one, which gets another name.

    There is a log under `path` at every instant: whoever opens it finds a line that says where the chain stands.
    """
    beside = f"{path}.new"
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):  # a crash between the next two steps left the same file there
        os.link(path, full)
    os.replace(beside, path)
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
