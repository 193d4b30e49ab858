"""Errors of running instances and of their control sockets."""

from __future__ import annotations

import attrs

from rkruntime.errors._base import RkError, told

__all__ = ("ControlUnavailable", "InstanceNotRunning", "InstanceTaken")


@attrs.define(eq=False)
class InstanceTaken(RkError):
    """A live runtime of this user has that name; `process` is 0 where it cannot be told."""

    name: str
    process: int

    def __str__(self) -> str:
        whose = f" by process {self.process}" if self.process else ""
        return told(f"the instance name {self.name!r} is taken{whose}", "give another one: --instance NAME")


@attrs.define(eq=False)
class InstanceNotRunning(RkError):
    """No runtime of this user listens under that name; `running` are those that do."""

    name: str
    running: tuple[str, ...] = ()

    def __str__(self) -> str:
        others = ", ".join(self.running)
        mend = f"running are: {others}; name one with --instance" if others else "no runtime of yours is running"
        return told(f"the runtime {self.name!r} is not running", mend)


@attrs.define(eq=False)
class ControlUnavailable(RkError):
    """A runtime cannot be asked: no place for its socket, no answer, or a refusal."""

    what: str
    mend: str

    def __str__(self) -> str:
        return told(self.what, self.mend)
