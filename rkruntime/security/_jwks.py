"""The keys that tokens are signed with: a JWKS (RFC 7517) from a file or a URL, read again as keys are rotated."""

from __future__ import annotations

import http.client
import ipaddress
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rkruntime.errors import InvalidConfiguration, UnreadableInput
from rkruntime.log import get_logger
from rkruntime.security._key_file import Signature, signature_of

__all__ = ("ALGORITHMS", "Jwks", "JwksSource", "fetch", "read_jwks")

ALGORITHMS: Mapping[tuple[str, str | None], str] = MappingProxyType(
    {("RSA", None): "RS256", ("EC", "P-256"): "ES256", ("OKP", "Ed25519"): "EdDSA"}
)
"""Type and curve of a public key -> the one algorithm that it is used with: what a token says never chooses another."""
Jwks = Mapping[tuple[str | None, str], Any]
"""Key id (None for a key without) and algorithm -> the public key."""

LEAST_RSA_BITS = 2048
LONGEST_BYTES = 2**20
FETCH_S = 5.0
AGAIN_S = 10.0
"""Seconds between two reads at least, whatever tokens name: an unknown key id costs no more than that."""
MOST_STALE_S = 86400.0
"""Seconds for which keys are used that cannot be read again."""


def read_jwks(data: bytes) -> Jwks:
    """Read a JWKS; keys of other kinds, for other uses or too short are left out.

    Raises:
        ValueError: It is no JWKS.
    """
    import jwt  # here, since it is part of an extra

    told = json.loads(data)
    if not isinstance(told, dict) or not isinstance(told.get("keys"), list):
        raise ValueError("there is no list of keys")
    found: dict[tuple[str | None, str], Any] = {}
    for item in told["keys"]:
        algorithm = _algorithm(item)
        if algorithm is None:
            continue
        try:
            key = jwt.PyJWK.from_dict(item, algorithm).key
        except (jwt.PyJWTError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
            continue  # one that is broken does not keep the others out
        if algorithm != "RS256" or key.key_size >= LEAST_RSA_BITS:
            found[item.get("kid"), algorithm] = key
    return MappingProxyType(found)


def _algorithm(item: Any) -> str | None:
    """Return the algorithm that a key is used with; None for one that is not used, such as a private one."""
    if not isinstance(item, dict) or not isinstance(item.get("kid"), str | None) or "d" in item:
        return None
    curve, uses = item.get("crv"), item.get("key_ops", ["verify"])
    algorithm = ALGORITHMS.get((str(item.get("kty")), None if curve is None else str(curve)))
    if item.get("use", "sig") != "sig" or item.get("alg", algorithm) != algorithm:
        return None
    return algorithm if isinstance(uses, list) and "verify" in uses else None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing: keys come from where the configuration says."""
        return


def fetch(url: str) -> bytes:
    """Read a URL.

    Raises:
        OSError: It cannot be read.
        ValueError: It is too long.
    """
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(
            urllib.request.Request(url, headers={"accept": "application/json"}), timeout=FETCH_S
        ) as answer:
            data: bytes = answer.read(LONGEST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()  # it is an answer, too, and holds the connection
        raise
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer: {error}") from error
    if len(data) > LONGEST_BYTES:
        raise ValueError(f"it is longer than {LONGEST_BYTES} bytes")
    return data


class JwksSource:
    """Keys from a file or URL; for any thread.

    Args:
        place: The file or URL; http is for this machine alone.
        refresh_s: Seconds after which a URL is read again; a file is, once it changes.
        ticks: Seconds on a clock that is never set.
        read: Reads a URL.

    Raises:
        InvalidConfiguration: It is neither a file nor a URL with https.
        UnreadableInput: The file is no JWKS. A URL that cannot be read is tried again later.
    """

    def __init__(
        self,
        place: str,
        refresh_s: float,
        *,
        ticks: Callable[[], float] = time.monotonic,
        read: Callable[[str], bytes] = fetch,
    ) -> None:
        self.keys: Jwks = MappingProxyType({})
        self.generation = 0
        """Counts the sets of keys that there were: what was checked with one is checked anew with the next."""
        self._place, self._refresh_s, self._ticks, self._read = place, refresh_s, ticks, read
        self._is_url = _is_url(place)
        self._lock = threading.Lock()
        self._log = get_logger("rkruntime.security")
        self._signature: Signature | None = None
        self._tried_s = self._read_s = ticks() - MOST_STALE_S
        self._failed = False
        self.look()
        if not self._is_url and self._failed:
            raise UnreadableInput(
                place, "it is no JWKS that can be read", "give security.oidc_jwks a file of public keys"
            )

    def look(self, *, unknown: bool = False) -> None:
        """Read the keys again if it is time; may take seconds.

        Args:
            unknown: A token names a key that is not there: it may be new.
        """
        if not self._lock.acquire(blocking=False):
            return  # another thread reads them just now: the keys that there are hold until then
        try:
            if self._is_due(unknown):
                self._read_again()
        finally:
            self._lock.release()

    def _is_due(self, unknown: bool) -> bool:
        if not self._is_url:
            return signature_of(self._place) != self._signature or self._signature is None
        since_s = self._ticks() - self._tried_s
        return since_s >= self._refresh_s or (since_s >= AGAIN_S and (unknown or self._failed))

    def _read_again(self) -> None:
        self._tried_s = self._ticks()
        try:
            if not self._is_url:
                self._signature = signature_of(self._place)
            keys = read_jwks(self._read(self._place) if self._is_url else Path(self._place).expanduser().read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            self._failed = True
            self._log.error("the keys of tokens cannot be read", place=self._place, error=str(error))
            if self._ticks() - self._read_s >= MOST_STALE_S:
                self._take(MappingProxyType({}))
            return
        self._failed = False
        self._read_s = self._tried_s
        self._take(keys)

    def _take(self, keys: Jwks) -> None:
        if {name: _numbers(key) for name, key in keys.items()} == {n: _numbers(k) for n, k in self.keys.items()}:
            return
        self.keys = keys
        self.generation += 1
        self._log.info("read the keys of tokens", place=self._place, keys=len(keys))


def _numbers(key: Any) -> Any:
    return key.public_bytes_raw() if hasattr(key, "public_bytes_raw") else key.public_numbers()


def _is_url(place: str) -> bool:
    url = urllib.parse.urlsplit(place)
    if not url.scheme:
        return False
    if url.scheme == "https" or (url.scheme == "http" and _is_local(url.hostname or "")):
        return True
    raise InvalidConfiguration("security.oidc_jwks", place, "a file, or a URL with https")


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
