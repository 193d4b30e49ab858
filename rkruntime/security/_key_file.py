"""The file of API keys: hashes with names and roles; written whole or not at all, by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

import attrs

from rkruntime.access import Role
from rkruntime.errors import UnreadableInput

__all__ = ("KeyRecord", "change_keys", "mark", "read_keys", "signature_of")

LONGEST_FILE = 2**24
LOCK_S = 5.0
TRY_EACH_S = 0.02
FOR_OTHERS = stat.S_IRWXO | stat.S_IWGRP
Signature: TypeAlias = tuple[int, ...]


@attrs.frozen(kw_only=True)
class KeyRecord:
    """What is kept of a key.

    Args:
        id: Its id, which is part of it.
        name: Whose it is, or what for.
        role: What it may do.
        hash: Its scrypt hash.
        created: When it was made, in UTC, as in `2026-05-04T09:12:33Z`.
        expires: When it ends, likewise; None for never.
        revoked: When it was revoked, likewise.
    """

    id: str
    name: str
    role: Role
    hash: str = attrs.field(repr=False)
    created: str
    expires: str | None = None
    revoked: str | None = None

    def state(self, now_s: float) -> str:
        """Return `valid`, `expired` or `revoked`.

        Args:
            now_s: Seconds since 1970.
        """
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and seconds_of(self.expires) <= now_s else "valid"


def mark(now_s: float) -> str:
    """Write a time as the file has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now_s))


def seconds_of(text: str) -> float:
    """Read a time as the file has it."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def signature_of(path: str) -> Signature | None:
    """Return what changes when the file does; None where there is none."""
    try:
        about = os.stat(os.path.expanduser(path))
    except OSError:
        return None
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns


def read_keys(path: str) -> tuple[KeyRecord, ...]:
    """Read the file.

    Raises:
        UnreadableInput: It is not there, is no file of keys, or others than its owner may change it or read it.
    """
    try:
        fd = os.open(os.path.expanduser(path), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with open(fd, "rb") as file:
            about = os.fstat(fd)
            if not stat.S_ISREG(about.st_mode):
                raise _unreadable(path, "it is no regular file")
            if about.st_mode & FOR_OTHERS:
                why = f"others may read or change it: its mode is {stat.S_IMODE(about.st_mode):o}"
                raise UnreadableInput(path, why, f"chmod 600 {path}")
            told = json.loads(file.read(LONGEST_FILE))
        records = tuple(_record(item) for item in told["keys"])
    except OSError as error:
        raise _unreadable(path, f"it cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, RecursionError):
        raise _unreadable(path, "it is no file of API keys") from None  # its text stays out of messages
    if len({record.id for record in records}) != len(records):
        raise _unreadable(path, "an id is in it twice")
    return records


def change_keys(path: str, change: Callable[[tuple[KeyRecord, ...]], Sequence[KeyRecord]]) -> None:
    """Replace the file's records by what `change` makes of them; nobody else writes it meanwhile.

    Raises:
        UnreadableInput: It cannot be read, or cannot be written.
    """
    target = Path(path).expanduser()
    try:
        with _locked(target.parent):
            before = read_keys(str(target)) if target.exists() else ()
            _replace(target, change(before))
    except OSError as error:
        raise _unreadable(path, f"it cannot be written: {error.strerror}") from error


def _replace(target: Path, records: Sequence[KeyRecord]) -> None:
    told = {"keys": [attrs.asdict(record, value_serializer=_plain) for record in records]}
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with open(os.open(beside, flags, 0o600), "w", encoding="utf-8") as file:
            _hand_on(target, file.fileno())
            json.dump(told, file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def _hand_on(target: Path, fd: int) -> None:
    """Give a file owner, group and mode of the one that it replaces: root must not take a service's keys from it."""
    with contextlib.suppress(FileNotFoundError):
        about = os.stat(target)
        if (about.st_uid, about.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(fd, about.st_uid, about.st_gid)
        os.fchmod(fd, stat.S_IMODE(about.st_mode) & ~FOR_OTHERS)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder: the file itself is replaced, and so cannot be held."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        until = time.monotonic() + LOCK_S
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > until:
                raise _unreadable(str(folder), "another process changes files in it")
            time.sleep(TRY_EACH_S)
        yield
    finally:
        os.close(fd)


def _record(told: dict[str, Any]) -> KeyRecord:
    record = KeyRecord(**{**told, "role": Role(told["role"])})
    for text in (record.id, record.name, record.hash, record.created):
        if not isinstance(text, str):
            raise TypeError
    for moment in (record.created, record.expires, record.revoked):
        if moment is not None:
            seconds_of(moment)
    return record


def _plain(_owner: Any, _field: Any, value: Any) -> Any:
    return str(value) if isinstance(value, Role) else value


def _unreadable(path: str, why: str) -> UnreadableInput:
    return UnreadableInput(path, why, "`rustkernel keys create` makes one")
