"""From an error to what is told of it, and to the exit code."""

from __future__ import annotations

from collections.abc import Mapping

import click

from rkruntime.cli._exit_codes import ExitCode
from rkruntime.cli._paint import paint
from rkruntime.errors import DeviceUnavailable, InstanceNotRunning, InvalidConfiguration, RkError
from rkruntime.redact import redacted_text

__all__ = ("EXIT_CODES", "exit_code", "fail", "first_error", "told")

EXIT_CODES: Mapping[type[RkError], ExitCode] = {
    InvalidConfiguration: ExitCode.INVALID_CONFIGURATION,
    DeviceUnavailable: ExitCode.DEVICE_UNAVAILABLE,
    InstanceNotRunning: ExitCode.NOT_RUNNING,
}
"""Error -> exit code; every other error is FAILED."""


def fail(error: Exception) -> ExitCode:
    """Tell an error on stderr, and return the exit code."""
    head, _, rest = told(error).partition("\n")
    click.echo(paint("error: ", bold=True) + head, err=True)
    if rest:
        click.echo(rest, err=True)
    return exit_code(error)


def told(error: Exception) -> str:
    """Return what to tell of an error; one that is not ours is a bug of ours or of the kernel file."""
    if isinstance(error, RkError):
        return redacted_text(str(error))
    what = redacted_text(f"{type(error).__name__}: {error}")
    return f"{what}\n  mend: this was not foreseen; --debug shows where it comes from"


def exit_code(error: Exception) -> ExitCode:
    """Return the exit code of an error."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), ExitCode.FAILED)


def first_error(group: BaseExceptionGroup[RkError]) -> RkError:
    """Take the first plain error out of a tree of groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, RkError)
    return error
