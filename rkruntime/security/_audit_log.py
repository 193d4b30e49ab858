"""The audit log: a record for every decision and every administrative act, each chained to the one before.

Several processes may add to one log: whoever adds holds its lock, and looks whether the end is still where it left it.
What a crash left of a record in mid-write is moved to a file beside, a record says so, and the chain goes on.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rkruntime.config import SecurityConfig
from rkruntime.errors import AuditUnavailable, UnreadableInput
from rkruntime.log import get_logger
from rkruntime.redact import redacted_fields
from rkruntime.security import _audit_file as log_file
from rkruntime.security._audit_key import read_audit_key
from rkruntime.security._chain import NO_KEY, NOTHING, Link, line_of

__all__ = ("SYNC_EACH_S", "AuditLog")

SYNC_EACH_S = 1.0
"""Seconds between two calls of `sync`, for `fsync = "interval"`."""


class AuditLog:
    """An open audit log; for any thread.

    Args:
        path: The file; it is made where it is not there, for its owner alone.
        fsync: `always`: a record is on the disk when `write` returns. `interval`: whoever owns the log calls `sync`
            every second. `never`: the system does it in its own time.
        rotate_bytes: Size from which on the log goes on in a new file.
        key: A secret without which nobody can write the chain anew; empty for none.
        now: Seconds since 1970.

    Raises:
        UnreadableInput: The file cannot be opened.
        AuditUnavailable: It cannot be written, or its last record is damaged.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fsync: str = "interval",
        rotate_bytes: int = 2**26,
        key: bytes = NO_KEY,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.path = str(Path(path).expanduser())
        self._always = fsync == "always"
        self._never = fsync == "never"
        self._rotate_bytes = rotate_bytes
        self._key = key
        self._now = now
        self._lock = threading.Lock()
        self._log = get_logger("rkruntime.security")
        self._head = NOTHING
        self._place = (0, 0, 0)
        self._dirty = False
        self._fd = log_file.open_log(self.path)
        try:
            self.write("log.opened", process=os.getpid(), user=os.geteuid())
        except BaseException:
            os.close(self._fd)
            raise
        self._log.info("audit log", path=self.path, seq=self._head.seq, head=self._head.hash)

    @classmethod
    def of(cls, config: SecurityConfig) -> Self | None:
        """Open the log that a configuration asks for; None where it asks for none."""
        if not config.audit_logging:
            return None
        key = NO_KEY if config.audit_key_file is None else read_audit_key(config.audit_key_file)
        return cls(config.audit_file, fsync=config.audit_fsync, rotate_bytes=config.audit_rotate_size, key=key)

    @property
    def head(self) -> Link:
        """Where the chain stood after this process's last record: a note of it elsewhere shows a log that was cut."""
        return self._head

    @property
    def writes_through(self) -> bool:
        """Whether `write` waits for the disk, and so does not belong on an event loop."""
        return self._always

    def write(self, event: str, **fields: Any) -> Link:
        """Add a record.

        Args:
            event: What happened, such as `decision` or `key.revoked`.
            fields: What there is to say of it, in plain values; secrets are taken out.

        Returns:
            Where the chain stands with it.

        Raises:
            AuditUnavailable: It cannot be written, or somebody has damaged the log's end; the log is as it was.
        """
        try:
            with self._lock, self._held():
                if self._place[2] >= self._rotate_bytes:
                    self._rotate()
                return self._put(event, fields)
        except OSError as error:
            raise AuditUnavailable(self.path, error.strerror or str(error)) from error
        except UnreadableInput as error:
            raise AuditUnavailable(self.path, error.why) from error

    def sync(self) -> None:
        """Force what has been written to the disk; it may take long, and any thread may do it."""
        if self._never or not self._dirty:
            return
        try:
            with self._lock:
                self._dirty = False
                fd = os.dup(self._fd)
            try:
                os.fsync(fd)  # on a copy, so that nobody who writes has to wait for the disk
            finally:
                os.close(fd)
        except OSError as error:
            raise AuditUnavailable(self.path, error.strerror or str(error)) from error

    def close(self) -> None:
        """Force what has been written to the disk, and close; a second time does nothing."""
        if self._fd < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._fd)
            self._fd = -1
            self._log.info("audit log closed", path=self.path, seq=self._head.seq, head=self._head.hash)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the file under the log's name: another process may have put a new one there."""
        if self._fd < 0:
            raise AuditUnavailable(self.path, "it is closed")
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            self._follow()
            yield
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _follow(self) -> None:
        """Hold the file that has the log's name now, however often it changes while others are waited for."""
        while not self._is_named(about := os.fstat(self._fd)):
            old, self._fd = self._fd, log_file.open_log(self.path)
            os.close(old)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
        self._catch_up(about)

    def _is_named(self, here: os.stat_result) -> bool:
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)

    def _catch_up(self, about: os.stat_result) -> None:
        """Look where the chain stands, if the file is not as this process left it, and mend what a crash left."""
        place = (about.st_dev, about.st_ino, about.st_size)
        if place == self._place:
            return
        head, torn = log_file.head_of(self._fd, self.path, self._key)
        self._place = place
        if about.st_size or self._head == NOTHING:
            self._head = head  # of an empty file in the place of one that was moved away, ours is the better knowledge
        if torn is not None:
            aside, digest = log_file.set_torn_aside(self._fd, self.path, torn)
            self._place = (*place[:2], torn.begin)
            self._log.warning("the audit log ended in mid-record", bytes=torn.size, aside=aside)
            self._put("log.recovered", {"bytes": torn.size, "sha256": digest, "aside": os.path.basename(aside)})

    def _rotate(self) -> None:
        full = f"{self.path}.{self._head.seq:012d}"
        told = {"at": self._at(), "event": "log.rotated", "before": os.path.basename(full)}
        line, _ = line_of(told, self._head, self._key)
        os.fsync(self._fd)
        self._log.info("audit log rotated", path=full, seq=self._head.seq, head=self._head.hash)
        log_file.rotate(self.path, full, line)
        self._follow()

    def _put(self, event: str, fields: dict[str, Any]) -> Link:
        told = {"at": self._at(), "event": event, **redacted_fields(fields)}
        line, head = line_of(told, self._head, self._key)
        if len(line) > log_file.LONGEST_LINE:
            line, head = line_of({"at": told["at"], "event": event[:100], "cut": len(line)}, self._head, self._key)
        device, inode, size = self._place
        log_file.append(self._fd, line, size)
        self._place = (device, inode, size + len(line))
        self._head, self._dirty = head, not self._always
        if self._always:
            os.fsync(self._fd)
        return head

    def _at(self) -> str:
        now = self._now()
        return f"{_to_the_second(int(now))}.{int(now % 1 * 1e6):06d}Z"


@lru_cache(maxsize=2)
def _to_the_second(now_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
