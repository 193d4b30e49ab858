"""TLS as configured: TLS 1.2 or newer, and clients' certificates where authorities for them are given."""

from __future__ import annotations

import os
import ssl
import stat

from rkruntime.config import SecurityConfig
from rkruntime.errors import UnreadableInput
from rkruntime.log import get_logger
from rkruntime.security._key_file import Signature, signature_of

__all__ = ("ServerTls",)

FOR_OTHERS = stat.S_IRWXO | stat.S_IWGRP


class ServerTls:
    """The service's side of TLS.

    Args:
        config: It names a certificate and its key.

    Raises:
        UnreadableInput: A file cannot be read, is no such file, or others may read the key.
    """

    def __init__(self, config: SecurityConfig) -> None:
        assert config.tls_certificate is not None
        assert config.tls_key is not None
        self._certificate = os.path.expanduser(config.tls_certificate)
        self._key = os.path.expanduser(config.tls_key)
        self._log = get_logger("rkruntime.security")
        self._signatures = self._now()
        _check_private(self._key)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        """New connections use it."""
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        self.context.set_alpn_protocols(["http/1.1"])
        self._load()
        if config.tls_client_ca is not None:
            self._take_clients(os.path.expanduser(config.tls_client_ca), config.tls_client_certificates == "required")

    @classmethod
    def of(cls, config: SecurityConfig) -> ServerTls | None:
        """Return what the configuration asks for; None for no TLS.

        Raises:
            UnreadableInput: A file cannot be read, is no such file, or others may read the key.
        """
        return None if config.tls_certificate is None or config.tls_key is None else cls(config)

    def look(self) -> None:
        """Load the certificate again if it has changed; one that cannot be loaded leaves the one that there is."""
        signatures = self._now()
        if signatures == self._signatures:
            return
        self._signatures = signatures
        try:
            _check_private(self._key)
            self._load()
            self._log.info("loaded the certificate again", path=self._certificate)
        except UnreadableInput as error:
            self._log.error("the new certificate cannot be loaded", path=error.path, why=error.why)

    def _now(self) -> tuple[Signature | None, Signature | None]:
        return signature_of(self._certificate), signature_of(self._key)

    def _load(self) -> None:
        try:
            # On trial first: a pair that does not fit would leave the context that is in use without a key.
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.context):
                # Without a callback OpenSSL asks the terminal for the password of an encrypted key, and waits.
                context.load_cert_chain(self._certificate, self._key, password=lambda: "")
        except (OSError, ValueError) as error:
            why = f"the certificate and its key cannot be loaded: {_reason(error)}"
            raise UnreadableInput(
                self._certificate, why, "give PEM files that belong together, not encrypted"
            ) from None

    def _take_clients(self, authorities: str, required: bool) -> None:
        try:
            self.context.load_verify_locations(authorities)
        except (OSError, ValueError) as error:
            why = f"the clients' authorities cannot be loaded: {_reason(error)}"
            raise UnreadableInput(authorities, why, "give a PEM file of certificates") from None
        self.context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        self.context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT


def _check_private(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise UnreadableInput(path, f"it cannot be read: {error.strerror}", "give a PEM file") from error
    if mode & FOR_OTHERS:
        why = f"others may read or change the private key: its mode is {stat.S_IMODE(mode):o}"
        raise UnreadableInput(path, why, f"chmod 600 {path}")


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__)
