"""A hook that keeps the records it is given."""

from __future__ import annotations

from typing import TypeVar

__all__ = ("RecordingHook",)

R = TypeVar("R")


class RecordingHook:
    """Takes records, as any hook does, and keeps them in order.

    Attributes:
        records: What came, oldest first.
    """

    def __init__(self) -> None:
        self.records: list[object] = []

    def __call__(self, record: object) -> None:
        """Keep a record."""
        self.records.append(record)

    def of(self, kind: type[R]) -> list[R]:
        """The records of one class, oldest first."""
        return [record for record in self.records if isinstance(record, kind)]

    def clear(self) -> None:
        """Forget what came so far."""
        self.records.clear()
