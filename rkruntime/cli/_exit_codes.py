"""The exit codes, as one table for help and documentation; imports nothing that help would wait for."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

__all__ = ("INTERRUPTED", "MEANINGS", "ExitCode")


class ExitCode(enum.IntEnum):
    """What the command's exit status says."""

    FINE = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    INVALID_CONFIGURATION = 4
    DEVICE_UNAVAILABLE = 5
    DRAINED_WITH_LOSSES = 6
    AUDIT_BROKEN = 7
    INTERRUPTED = 130


INTERRUPTED = ExitCode.INTERRUPTED

MEANINGS: Mapping[ExitCode, str] = MappingProxyType(
    {
        ExitCode.FINE: "fine",
        ExitCode.FAILED: "failed",
        ExitCode.USAGE: "the command line is not understood",
        ExitCode.NOT_RUNNING: "no such runtime is running",
        ExitCode.INVALID_CONFIGURATION: "the configuration is not valid",
        ExitCode.DEVICE_UNAVAILABLE: "the device cannot be opened",
        ExitCode.DRAINED_WITH_LOSSES: "drained, and work in flight was lost",
        ExitCode.AUDIT_BROKEN: "the audit log's chain is broken",
        ExitCode.INTERRUPTED: "ended by Ctrl-C, SIGTERM or a drain before all was done",
    }
)
