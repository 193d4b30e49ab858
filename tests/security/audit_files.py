"""Audit logs in the making, and the lines that are in them."""

import json
from pathlib import Path
from typing import Any

from rkruntime.security import AuditLog
from rkruntime.security._chain import NO_KEY, NOTHING, Link, line_of

__all__ = ("chain", "events", "records", "written")


def chain(count: int, before: Link = NOTHING, key: bytes = NO_KEY) -> list[bytes]:
    """Lines of a chain, each with its newline."""
    lines = []
    for number in range(count):
        line, before = line_of({"at": "2026-05-04T09:12:33.000000Z", "event": "decision", "n": number}, before, key)
        lines.append(line)
    return lines


def written(path: Path, *events: str, **options: Any) -> AuditLog:
    """A closed log with these events."""
    with AuditLog(path, **options) as log:
        for event in events:
            log.write(event)
    return log


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def events(path: Path) -> list[str]:
    return [record["event"] for record in records(path)]
