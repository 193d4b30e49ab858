"""API keys: what one looks like, and the hash that is kept of it. Decisions only.

A key is `rk_`, an id of 8 letters and digits, `_`, and a secret of 256 random bits. The id is no secret: it says which
hash to compare with, so that one request costs one scrypt. The hash is scrypt's (RFC 7914) with a salt of its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from rkruntime.redact import KEY_PREFIX

__all__ = ("NOBODYS_HASH", "hash_of", "id_of", "matches", "new_key")

_KEY = re.compile(KEY_PREFIX + r"([a-z2-7]{8})_([A-Za-z0-9_-]{43})")
_HASH = re.compile(r"scrypt:([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2}):([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{43})")
_LOG2_N, _R, _P = 14, 8, 1  # 16 MiB and about 50 ms; guessing 256 bits is hopeless at any cost, so this is for the rest
_MOST_LOG2_N, _MOST_RP = 18, 16
_SECRET_BYTES, _SALT_BYTES, _HASH_BYTES = 32, 16, 32


def new_key() -> str:
    """Make a key."""
    identifier = base64.b32encode(secrets.token_bytes(5)).decode().lower()
    return f"{KEY_PREFIX}{identifier}_{_to_text(secrets.token_bytes(_SECRET_BYTES))}"


def id_of(key: str) -> str | None:
    """Return the id of what has the form of a key; None for what has not."""
    found = _KEY.fullmatch(key)
    return found[1] if found else None


def hash_of(key: str, salt: bytes | None = None) -> str:
    """Return the hash to keep of a key: `scrypt:log2 N:r:p:salt:hash`."""
    salt = salt or secrets.token_bytes(_SALT_BYTES)
    return f"scrypt:{_LOG2_N}:{_R}:{_P}:{_to_text(salt)}:{_to_text(_scrypt(key, salt, _LOG2_N, _R, _P))}"


def matches(key: str, kept: str) -> bool:
    """Whether a hash is that of a key; takes tens of milliseconds, always the same for hashes of one cost."""
    found = _HASH.fullmatch(kept)
    if found is None:
        return False
    log2_n, r, p = int(found[1]), int(found[2]), int(found[3])
    if not 1 <= log2_n <= _MOST_LOG2_N or not 1 <= r <= _MOST_RP or not 1 <= p <= _MOST_RP:
        return False
    digest = _scrypt(key, _to_bytes(found[4]), log2_n, r, p)
    return hmac.compare_digest(digest, _to_bytes(found[5]))


def _scrypt(key: str, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    n = 1 << log2_n
    most = 128 * r * (n + p + 2) + 2**20
    return hashlib.scrypt(key.encode(), salt=salt, n=n, r=r, p=p, maxmem=most, dklen=_HASH_BYTES)


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _to_bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


NOBODYS_HASH = f"scrypt:{_LOG2_N}:{_R}:{_P}:{_to_text(bytes(_SALT_BYTES))}:{_to_text(bytes(_HASH_BYTES))}"
"""What a key with an unknown id is compared with, so that it takes as long to refuse as one with a known id."""
