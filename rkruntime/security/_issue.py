"""Give out API keys, and take them back."""

from __future__ import annotations

import time
from collections.abc import Callable

import attrs

from rkruntime.access import Role
from rkruntime.errors import InvalidConfiguration, UnreadableInput
from rkruntime.security._key import hash_of, id_of, new_key
from rkruntime.security._key_file import KeyRecord, change_keys, mark

__all__ = ("issue_key", "make_key", "revoke_key")

LONGEST_NAME = 100


def make_key(name: str, role: Role, lasts_s: float | None = None, *, now_s: float) -> tuple[str, KeyRecord]:
    """Make a key and what is to be kept of it.

    Args:
        name: Whose it is, or what for.
        role: What it may do.
        lasts_s: Seconds for which it holds; None for ever.
        now_s: Seconds since 1970.

    Raises:
        InvalidConfiguration: That is no name, or no time.
    """
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidConfiguration("name", name, f"one line of text, {LONGEST_NAME} characters at most")
    if lasts_s is not None and not 1 <= lasts_s < 10**10:
        raise InvalidConfiguration("expires", lasts_s, "a time such as 90d, one second at least")
    key = new_key()
    identifier = id_of(key)
    assert identifier is not None
    expires = None if lasts_s is None else mark(now_s + lasts_s)
    return key, KeyRecord(id=identifier, name=name, role=role, hash=hash_of(key), created=mark(now_s), expires=expires)


def issue_key(
    path: str, name: str, role: Role, lasts_s: float | None = None, *, now: Callable[[], float] = time.time
) -> tuple[str, KeyRecord]:
    """Make a key, and keep its hash in a file, which is made where it is not there; nobody can tell the key again.

    Args:
        path: The file.
        name: Whose it is, or what for.
        role: What it may do.
        lasts_s: Seconds for which it holds; None for ever.
        now: Seconds since 1970.

    Raises:
        InvalidConfiguration: That is no name, or no time.
        UnreadableInput: The file cannot be read or written.
    """
    key, record = make_key(name, role, lasts_s, now_s=now())
    change_keys(path, lambda before: (*before, record))
    return key, record


def revoke_key(path: str, identifier: str, *, now: Callable[[], float] = time.time) -> KeyRecord:
    """Take a key back: it stays in the file as revoked, and holds nowhere any more.

    Args:
        path: The file.
        identifier: The key's id.
        now: Seconds since 1970.

    Raises:
        UnreadableInput: The file cannot be read or written, or has no such key that is not revoked already.
    """
    revoked: list[KeyRecord] = []

    def without(before: tuple[KeyRecord, ...]) -> tuple[KeyRecord, ...]:
        after = []
        for record in before:
            if record.id == identifier and record.revoked is None:
                revoked.append(attrs.evolve(record, revoked=mark(now())))
            after.append(revoked[-1] if record.id == identifier and revoked else record)
        if not revoked:
            why = f"there is no key with the id {identifier!r} that is not revoked already"
            raise UnreadableInput(path, why, "`rustkernel keys list` shows the ids")
        return tuple(after)

    change_keys(path, without)
    return revoked[0]
