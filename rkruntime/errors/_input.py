"""Errors of configuration, and of files that people name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import attrs

from rkruntime.errors._base import RkError, told

__all__ = (
    "ConfigurationProblem",
    "ConfigurationWarning",
    "InvalidConfiguration",
    "InvalidConfigurations",
    "UnreadableInput",
)


@attrs.define(eq=False)
class InvalidConfiguration(RkError, ValueError):
    """A configuration value outside what is allowed."""

    path: str
    value: object
    allowed: str

    def __str__(self) -> str:
        return told(f"{self.path} = {self.value!r} is not allowed", f"allowed: {self.allowed}")


class ConfigurationWarning(UserWarning):
    """Something about a configuration that works, but may not be what was meant."""


@attrs.frozen(kw_only=True)
class ConfigurationProblem:
    """One thing wrong with a configuration.

    Args:
        where: Its place: `config.toml:9:18`, an environment variable, `argument`.
        path: The setting: `runtime.worker_threads`; empty where it is the file as a whole.
        what: What is wrong, without place and path; as in `= "8" is not allowed`.
        mend: What to do about it: what is allowed, or what may have been meant.
        value: The value as it was given; None where there is none to show.
    """

    where: str
    path: str
    what: str
    mend: str
    value: object = None

    def __str__(self) -> str:
        return f"{self.where}: {self.path} {self.what}; {self.mend}".replace(":  ", ": ")


@attrs.define(eq=False)
class InvalidConfigurations(InvalidConfiguration):
    """Everything wrong with a configuration, in one go; its own fields are those of the first of the problems."""

    problems: tuple[ConfigurationProblem, ...]

    @classmethod
    def of(cls, problems: Sequence[ConfigurationProblem]) -> Self:
        """Gather problems; there is at least one."""
        first = problems[0]
        return cls(first.path, first.value, first.mend, tuple(problems))

    @classmethod
    def all_of(cls, errors: Sequence[InvalidConfiguration]) -> Self:
        """Gather refusals of values that were given in code; there is at least one."""
        return cls.of(
            [
                ConfigurationProblem(
                    where="configuration",
                    path=error.path,
                    what=f"= {error.value!r} is not allowed",
                    mend=f"allowed: {error.allowed}",
                    value=error.value,
                )
                for error in errors
            ]
        )

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{count} problems in the configuration" if count > 1 else "the configuration is not valid"
        return "\n".join([head, *(f"  {problem}" for problem in self.problems)])


@attrs.define(eq=False)
class UnreadableInput(RkError):
    """An input or output file that cannot be read or written as what its name says."""

    path: str
    why: str
    mend: str

    def __str__(self) -> str:
        return told(f"{self.path}: {self.why}", self.mend)
