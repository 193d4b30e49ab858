"""Bytes and seconds from the text that people write, and back; and numbers that print with their unit."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ("ByteSize", "Duration", "format_bytes", "format_seconds", "parse_bytes", "parse_seconds")

_BYTES: Mapping[str, int] = {
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
_SECONDS: Mapping[str, str] = {
    "": "1",
    "ns": "1e-9",
    "us": "1e-6",
    "µs": "1e-6",
    "ms": "1e-3",
    "s": "1",
    "m": "60",
    "min": "60",
    "h": "3600",
    "d": "86400",
}
_QUANTITY = r"\s*([0-9]+(?:\.[0-9]+)?)\s*([^\d\s.]*)\s*"  # compiled on first use, and kept by re
_WHOLE_BYTES = (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_WHOLE_SECONDS = (("h", 3600), ("m", 60))
_LONG_S = 2**53  # beyond it, floats are no longer every whole number


def _parse(text: str, units: Mapping[str, int] | Mapping[str, str], example: str) -> tuple[Decimal, Decimal]:
    from decimal import Decimal  # here, since status must not wait for it

    match = re.fullmatch(_QUANTITY, text)
    unit = match and units.get(match[2].lower())
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not a number with a unit such as {example}")
    return Decimal(match[1]), Decimal(unit)  # decimal, so that what `str` of a quantity wrote is read back exactly


def parse_bytes(text: str) -> int:
    """Read a byte count such as `4096`, `64KiB` or `1.5GiB` (KB, MB, GB are powers of ten), to the nearest byte.

    Raises:
        ValueError: The text is no number with a known unit, or names a fraction of a byte.
    """
    number, unit = _parse(text, _BYTES, "512MiB or 16GiB")
    if unit == 1 and number != int(number):
        raise ValueError(f"{text!r} is a fraction of a byte")
    return max(round(number * unit), int(number > 0))


def parse_seconds(text: str) -> float:
    """Read a duration such as `30`, `60s`, `250ms` or `1.5h`; the result is in seconds.

    Raises:
        ValueError: The text is no number with a known unit.
    """
    number, unit = _parse(text, _SECONDS, "250ms, 60s or 5m")
    return float(number * unit)


class Duration(float):
    """Seconds: a plain number to code, `30s` in print; takes a number or text such as `250ms`.

    What `str` writes is read back exactly.
    """

    __slots__ = ()

    def __new__(cls, value: float | str) -> Self:
        """Make a duration of seconds, or of text."""
        return super().__new__(cls, parse_seconds(value) if isinstance(value, str) else value)

    def __str__(self) -> str:
        if not math.isfinite(self):
            return float.__repr__(self)
        from decimal import Decimal

        exact = Decimal(float.__repr__(self))
        for unit, scale in _WHOLE_SECONDS:
            if 0 < abs(self) < _LONG_S and self % scale == 0:
                return f"{int(self) // scale}{unit}"
        unit = "s" if abs(exact) >= 1 or not exact else "ms" if abs(exact) >= Decimal("1e-3") else "us"
        return f"{_plain(exact / Decimal(_SECONDS[unit]))}{unit}"

    def __repr__(self) -> str:
        return f"Duration({str(self)!r})"


class ByteSize(int):
    """Bytes: a plain number to code, `4GiB` in print; takes a number or text such as `512MiB`.

    What `str` writes is read back exactly.
    """

    __slots__ = ()

    def __new__(cls, value: int | str) -> Self:
        """Make a size of bytes, or of text."""
        return super().__new__(cls, parse_bytes(value) if isinstance(value, str) else value)

    def __str__(self) -> str:
        for unit, scale in _WHOLE_BYTES:
            if self and self % scale == 0:
                return f"{self // scale}{unit}"
        return f"{int.__repr__(self)}B"

    def __repr__(self) -> str:
        return f"ByteSize({str(self)!r})"


def _plain(number: Decimal) -> str:
    """Write a number without an exponent and without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


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
