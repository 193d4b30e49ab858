"""The headers that every answer has for the sake of browsers, as one table. Decisions only.

Sources: the OWASP Secure Headers Project; Content Security Policy Level 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ("PAGE_POLICY", "SECURITY_HEADERS", "security_headers")

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the dashboard may do: load its own files and ask its own service; no script or style in the page's text."""

SECURITY_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "content-security-policy": _NOTHING,
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
)
"""Of every answer; a page has PAGE_POLICY in the place of the policy that allows nothing."""

_STRICT_TRANSPORT = ("strict-transport-security", "max-age=31536000")


def security_headers(media_type: str, *, tls: bool) -> Mapping[str, str]:
    """Return the headers of an answer.

    Args:
        media_type: The answer's `content-type`.
        tls: Whether the service speaks TLS itself: browsers are then to come by TLS alone for a year.
    """
    page = {"content-security-policy": PAGE_POLICY} if media_type.startswith("text/html") else {}
    return {**SECURITY_HEADERS, **page, **(dict([_STRICT_TRANSPORT]) if tls else {})}
