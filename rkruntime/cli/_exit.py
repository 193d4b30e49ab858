"""Exit codes: one table, which the documentation shows."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from rkruntime.errors import DeviceUnavailable, InstanceNotRunning, InvalidConfiguration, RkError

__all__ = ("EXIT_CODES", "ExitCode", "exit_code", "told")


class ExitCode(enum.IntEnum):
    """What the command's exit status says."""

    FINE = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    INVALID_CONFIGURATION = 4
    DEVICE_UNAVAILABLE = 5
    DRAINED_WITH_LOSSES = 6


EXIT_CODES: Mapping[type[RkError], ExitCode] = {
    InvalidConfiguration: ExitCode.INVALID_CONFIGURATION,
    DeviceUnavailable: ExitCode.DEVICE_UNAVAILABLE,
    InstanceNotRunning: ExitCode.NOT_RUNNING,
}
"""Error -> exit code; every other error is FAILED."""


def told(error: Exception) -> str:
    """Return what to tell of an error; one that is not ours is a bug of ours or of the kernel file."""
    if isinstance(error, RkError):
        return str(error)
    return f"{type(error).__name__}: {error}\n  mend: this was not foreseen; --debug shows where it comes from"


def exit_code(error: Exception) -> ExitCode:
    """Return the exit code of an error."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), ExitCode.FAILED)
