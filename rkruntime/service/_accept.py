"""Choose the form of an answer from what the client accepts (RFC 9110, section 12.5.1). Pure."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ("choose",)


def choose(accept: str | None, offered: Sequence[str]) -> str | None:
    """Return the offered media type that the client likes best, the first offered among equals; None for none.

    Args:
        accept: The header Accept; None where there is none, and so anything is welcome.
        offered: Media types, the server's favourite first.
    """
    if accept is None or not accept.strip():
        return offered[0]
    ranges = [_range(part) for part in accept.split(",") if part.strip()]
    best, best_weight = None, 0.0
    for kind in offered:
        matching = [(_precision(name), weight) for name, weight in ranges if _matches(name, kind)]
        weight = max(matching)[1] if matching else 0.0
        if weight > best_weight:
            best, best_weight = kind, weight
    return best


def _range(part: str) -> tuple[str, float]:
    name, *parameters = part.split(";")
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                weight = min(1.0, max(0.0, float(value)))
            except ValueError:
                weight = 0.0
    return name.strip().lower(), weight


def _matches(name: str, kind: str) -> bool:
    return name in (kind, "*/*", f"{kind.partition('/')[0]}/*")


def _precision(name: str) -> int:
    return 0 if name == "*/*" else 1 if name.endswith("/*") else 2
