"""Who asks: by API key, bearer token or client certificate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rkruntime.access import read_role_map
from rkruntime.config import SecurityConfig
from rkruntime.redact import KEY_PREFIX
from rkruntime.security._certificate import identity_of
from rkruntime.security._identity import ANYONE, Identity, Unproven
from rkruntime.security._keys import ApiKeys

if TYPE_CHECKING:
    from rkruntime.security._tokens import Tokens

__all__ = ("Authenticator",)


class Authenticator:
    """Says who asks; for any thread.

    Args:
        config: The settings of security.
        on_change: Called with what there is to say when the file of keys was read again.

    Raises:
        UnreadableInput: A file of keys cannot be read.
        InvalidConfiguration: The keys of tokens may not come from there.
    """

    def __init__(self, config: SecurityConfig, on_change: Callable[[str], None] = lambda _: None) -> None:
        self._open_to_all = not config.rbac_enabled
        self._keys = ApiKeys(config.api_keys_file, config.admin_key_hash, on_change=on_change)
        self._tokens = _tokens(config)
        self._certificate_roles = read_role_map(config.tls_role_map)

    def known(self, bearer: str | None, certificate: Sequence[str]) -> Identity | Unproven | None:
        """Say who asks, if that is known without work; None where `prove` has to say. Quick, and never waits.

        Args:
            bearer: The key or token of the header Authorization.
            certificate: The names in the client's certificate, once TLS has verified it.
        """
        if self._open_to_all:
            return ANYONE
        if bearer is None:
            return identity_of(certificate, self._certificate_roles) or Unproven("nothing was shown")
        return self._keys.known(bearer) if bearer.startswith(KEY_PREFIX) else self._known_token(bearer)

    def prove(self, bearer: str) -> Identity | Unproven:
        """Say who has this key or token; takes tens of milliseconds, or seconds where keys have to be read again."""
        if bearer.startswith(KEY_PREFIX) or self._tokens is None:
            return self._keys.prove(bearer)
        return self._tokens.prove(bearer)

    def look(self) -> None:
        """Read again what may have changed outside, if it is time; may take seconds."""
        if self._tokens is not None:
            self._tokens.look()

    def _known_token(self, token: str) -> Identity | None:
        return None if self._tokens is None else self._tokens.known(token)


def _tokens(config: SecurityConfig) -> Tokens | None:
    if not config.rbac_enabled or config.oidc_jwks is None:
        return None
    from rkruntime.security._jwks import JwksSource  # here, since these come with the extra `service`
    from rkruntime.security._tokens import Tokens

    return Tokens(
        JwksSource(config.oidc_jwks, config.oidc_jwks_refresh),
        issuer=_needed(config.oidc_issuer, "security.oidc_issuer"),
        audience=_needed(config.oidc_audience, "security.oidc_audience"),
        leeway_s=config.oidc_leeway,
        claim=config.oidc_role_claim,
        roles=read_role_map(config.oidc_role_map),
    )


def _needed(value: str | None, path: str) -> str:
    from rkruntime.errors import InvalidConfiguration

    if value is None:
        raise InvalidConfiguration(
            path, value, "a text that every token must name, wherever security.oidc_jwks is given"
        )
    return value
