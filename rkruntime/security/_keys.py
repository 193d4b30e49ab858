"""The API keys that hold now: read again when their file changes, each proven with one scrypt and then known."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from rkruntime.access import Role
from rkruntime.errors import UnreadableInput
from rkruntime.log import get_logger
from rkruntime.security._identity import Identity, Unproven
from rkruntime.security._key import NOBODYS_HASH, id_of, matches
from rkruntime.security._key_file import KeyRecord, Signature, mark, read_keys, signature_of

__all__ = ("ApiKeys", "Proven")

LOOK_EACH_S = 1.0
"""Seconds between two looks whether the file has changed: a revoked key holds no longer than that."""
MOST_PROVEN = 4096


class Proven:
    """Secrets that were proven, by a keyed hash: neither they nor how long they are looked for tell anything of them.

    Args:
        most: How many are kept; of more, those that were not asked for longest are forgotten.
    """

    def __init__(self, most: int = MOST_PROVEN) -> None:
        self._most = most
        self._key = secrets.token_bytes(32)
        self._whose: OrderedDict[bytes, tuple[str, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._whose)

    def get(self, secret: str) -> tuple[str, ...] | None:
        """Return what was put for a secret."""
        digest = self._digest(secret)
        with self._lock:
            if digest not in self._whose:
                return None
            self._whose.move_to_end(digest)
            return self._whose[digest]

    def put(self, secret: str, whose: tuple[str, ...]) -> None:
        """Keep what a secret has proven."""
        with self._lock:
            self._whose[self._digest(secret)] = whose
            while len(self._whose) > self._most:
                self._whose.popitem(last=False)

    def _digest(self, secret: str) -> bytes:
        return hashlib.blake2b(secret.encode("utf-8", "surrogatepass"), key=self._key, digest_size=32).digest()


class ApiKeys:
    """The keys of a file, and one of the configuration; for any thread.

    Args:
        path: The file; None for none. It must be there at the start. If it cannot be read later, its keys do not hold.
        admin_key_hash: The id and hash of a key with the role admin.
        now: Seconds since 1970.
        ticks: Seconds on a clock that is never set.
        check: Compares a key with a hash.
        on_change: Called with what there is to say when the file was read again.

    Raises:
        UnreadableInput: The file cannot be read.
    """

    def __init__(
        self,
        path: str | None,
        admin_key_hash: str | None = None,
        *,
        now: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        check: Callable[[str, str], bool] = matches,
        on_change: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._now, self._ticks, self._check, self._on_change = now, ticks, check, on_change
        self._proven = Proven()
        self._log = get_logger("rkruntime.security")
        self._configured = _configured(admin_key_hash)
        self._signature: Signature | None = None
        self._records: dict[str, KeyRecord] = dict(self._configured)
        self._looked_s = ticks()
        if path is not None:
            self._signature = signature_of(path)
            self._take(read_keys(path))

    def known(self, key: str) -> Identity | None:
        """Return whose key this is, if it has been proven and still holds; quick, and never waits."""
        self._look()
        whose = self._proven.get(key)
        record = self._records.get(whose[0]) if whose else None
        if record is None or whose is None or record.hash != whose[1] or record.state(self._now()) != "valid":
            return None
        return _identity(record)

    def prove(self, key: str) -> Identity | Unproven:
        """Say whose key this is, at the price of one scrypt, whether there is such a key or not."""
        self._look(at_once=True)
        identifier = id_of(key)
        if identifier is None:
            return Unproven("it has not the form of a key")
        record = self._records.get(identifier)
        right = self._check(key, NOBODYS_HASH if record is None else record.hash)
        if record is None or not right:
            return Unproven("no such key" if record is None else f"wrong secret for the key {identifier}")
        state = record.state(self._now())
        if state != "valid":
            return Unproven(f"the key {identifier} is {state}")
        self._proven.put(key, (record.id, record.hash))
        return _identity(record)

    def _look(self, *, at_once: bool = False) -> None:
        """Read the file again, if it has changed since it was last looked at."""
        if self._path is None or (not at_once and self._ticks() - self._looked_s < LOOK_EACH_S):
            return
        self._looked_s = self._ticks()
        signature = signature_of(self._path)
        if signature == self._signature:
            return
        self._signature = signature
        try:
            self._take(read_keys(self._path))
            told = f"{len(self._records)} keys"
            self._log.info("read the API keys again", path=self._path, keys=len(self._records))
        except UnreadableInput as error:
            self._take(())
            told = f"none holds: {error.why}"
            self._log.error("no API key of the file holds: it cannot be read", path=self._path, why=error.why)
        self._on_change(told)

    def _take(self, records: tuple[KeyRecord, ...]) -> None:
        self._records = {record.id: record for record in records} | self._configured


def _configured(admin_key_hash: str | None) -> dict[str, KeyRecord]:
    if admin_key_hash is None:
        return {}
    identifier, _, kept = admin_key_hash.partition(":")
    record = KeyRecord(id=identifier, name="configured admin", role=Role.ADMIN, hash=kept, created=mark(0))
    return {identifier: record}


def _identity(record: KeyRecord) -> Identity:
    return Identity(how="key", id=record.id, name=record.name, role=record.role)
