"""What whoever asks from elsewhere is told of errors: no secrets, and no folders of this machine. The log has more."""

from __future__ import annotations

from typing import Any

from rkruntime.redact import redacted_text, without_folders

__all__ = ("told_outside",)


def told_outside(value: Any) -> Any:
    """Return a text, or plain values with texts among them, as it may be told."""
    if isinstance(value, str):
        return without_folders(redacted_text(value))
    if isinstance(value, dict):
        return {key: told_outside(item) for key, item in value.items()}
    return [told_outside(item) for item in value] if isinstance(value, list) else value
