"""Bytes and seconds from the text that people write, and back."""

from __future__ import annotations

import math
import re

__all__ = ("format_bytes", "format_seconds", "parse_bytes", "parse_seconds")

_BYTES = {
    "": 1,
    "b": 1,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}
_SECONDS = {"": 1.0, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([^\d\s.]*)\s*")


def _parse(text: str, units: dict[str, float] | dict[str, int], example: str) -> float:
    match = _QUANTITY.fullmatch(text)
    unit = match and units.get(match[2].lower())
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a number with a unit such as {example}")
    return float(match[1]) * unit


def parse_bytes(text: str) -> int:
    """Read a byte count such as `4096`, `64KiB` or `1.5GiB` (KB, MB, GB are powers of ten).

    Raises:
        ValueError: The text is no number with a known unit, or names a fraction of a byte.
    """
    count = _parse(text, _BYTES, "512MiB or 16GiB")
    if count < 1024 and count != int(count):
        raise ValueError(f"{text!r} is a fraction of a byte")
    return round(count)


def parse_seconds(text: str) -> float:
    """Read a duration such as `30`, `60s`, `250ms` or `1.5h`; the result is in seconds.

    Raises:
        ValueError: The text is no number with a known unit.
    """
    return _parse(text, _SECONDS, "250ms, 60s or 5m")


def format_bytes(count: float) -> str:
    """Write a byte count with four digits and a binary unit: `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:.4g} TiB"


def format_seconds(seconds: float) -> str:
    """Write a duration with three digits and a fitting unit: `7.6 ms`."""
    if not math.isfinite(seconds):
        return "∞"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns" if seconds else "0 s"
