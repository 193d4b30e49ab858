"""Errors of kernels: finding, compiling, launching and running them."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from rkruntime.errors._base import RkError, told

__all__ = (
    "ArgumentMismatch",
    "BarrierDivergence",
    "InvalidLaunch",
    "KernelCompileError",
    "KernelFault",
    "KernelNotFound",
    "LaunchCancelled",
    "NotAKernelFile",
    "UnsupportedKernel",
)


@attrs.define(eq=False)
class KernelNotFound(RkError, LookupError):
    """No kernel of that name where it was looked for."""

    target: str
    where: str
    known: Sequence[str] = ()
    close: Sequence[str] = ()

    def __str__(self) -> str:
        hint = f"did you mean {', '.join(self.close)}? " if self.close else ""
        known = ", ".join(self.known) or "none"
        return told(f"no kernel {self.target!r} in {self.where}", f"{hint}known there: {known}")


@attrs.define(eq=False)
class NotAKernelFile(RkError):
    """The file cannot be imported as Python, or is not there; or the folder of such files is none."""

    path: str
    why: str
    what: str = "kernel file"
    mend: str = "give FILE.py:KERNEL, a Python file with a numba.cuda kernel"

    def __str__(self) -> str:
        return told(f"{self.path} is no {self.what}: {self.why}", self.mend)


@attrs.define(eq=False)
class UnsupportedKernel(RkError, NotImplementedError):
    """A construct that the CPU compiler cannot take; it never guesses."""

    kernel: str
    construct: str
    file: str
    line: int
    mend: str

    def __str__(self) -> str:
        return told(f"{self.file}:{self.line}: kernel {self.kernel}: {self.construct}", self.mend)


@attrs.define(eq=False)
class KernelCompileError(RkError):
    """The kernel does not type or does not compile; `detail` is the compiler's own text."""

    kernel: str
    file: str
    line: int
    signature: str
    detail: str

    def __str__(self) -> str:
        return told(
            f"{self.file}:{self.line}: kernel {self.kernel} does not compile for ({self.signature}):\n{self.detail}",
            "mend the line named above, or the type of the argument that it works on",
        )


@attrs.define(eq=False)
class ArgumentMismatch(RkError, TypeError):
    """A launch argument that the kernel cannot take."""

    kernel: str
    argument: str
    got: str
    wanted: str
    mend: str

    def __str__(self) -> str:
        return told(f"kernel {self.kernel}, argument {self.argument}: got {self.got}, wanted {self.wanted}", self.mend)


@attrs.define(eq=False)
class InvalidLaunch(RkError, ValueError):
    """Grid, block or shared memory outside what the device takes."""

    kernel: str
    what: str
    value: object
    allowed: str
    mend: str

    def __str__(self) -> str:
        return told(f"kernel {self.kernel}: {self.what} {self.value} is not allowed: {self.allowed}", self.mend)


@attrs.define(eq=False)
class KernelFault(RkError):
    """A thread of the kernel raised: division by zero, an index out of bounds, the kernel's own `raise` or `assert`."""

    kernel: str
    what: str
    file: str
    line: int
    block: tuple[int, int, int] | None = None
    thread: tuple[int, int, int] | None = None

    def __str__(self) -> str:
        where = f" in block {self.block}, thread {self.thread}" if self.block is not None else ""
        return told(
            f"{self.file}:{self.line}: kernel {self.kernel}{where}: {self.what}",
            "mend the kernel's line, or the argument that leads there; outputs of this launch are not to be used",
        )


@attrs.define(eq=False)
class BarrierDivergence(KernelFault):
    """Threads of a block wait for one another at different places, so that none can go on."""


@attrs.define(eq=False)
class LaunchCancelled(RkError):
    """The launch was stopped between blocks; its outputs are incomplete."""

    kernel: str
    reason: str

    def __str__(self) -> str:
        return told(f"the launch of {self.kernel} was cancelled: {self.reason}", "launch it again with more time")
