"""Every error rkruntime raises: each names the value at fault and says how to mend it.

An error is an attrs class: its fields are for programs, `str(error)` is for people. One class stands for one thing that
a caller can do about it, with a builtin base where callers expect one. All of them pickle.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

__all__ = (
    "ActorCrashed",
    "ActorStopped",
    "AlreadyStarted",
    "ArgumentMismatch",
    "AskCycle",
    "BarrierDivergence",
    "BufferMisuse",
    "CanaryFailed",
    "CopyFailed",
    "DeadlineExceeded",
    "DeviceLost",
    "DeviceUnavailable",
    "Draining",
    "InstanceLimit",
    "InvalidConfiguration",
    "InvalidLaunch",
    "InvalidTransition",
    "KernelCompileError",
    "KernelFault",
    "KernelNotFound",
    "LaunchCancelled",
    "MemoryPressure",
    "MessageCancelled",
    "NameTaken",
    "NotAKernelFile",
    "NotRunning",
    "OutOfDeviceMemory",
    "Overloaded",
    "RestartLimit",
    "RkError",
    "UnreachableState",
    "UnreadableInput",
    "UnsupportedKernel",
)


class RkError(Exception):
    """The base of everything that rkruntime raises on purpose."""


def _mend(what: str, how: str) -> str:
    return f"{what}\n  mend: {how}"


# Lifecycle


@attrs.define(eq=False)
class InvalidTransition(RkError):
    """The lifecycle has no such move; `allowed` are those it has."""

    current: str
    wanted: str
    allowed: Sequence[str] = ()

    def __str__(self) -> str:
        allowed = ", ".join(self.allowed) or "none: the state is final"
        return _mend(f"cannot move from {self.current} to {self.wanted}", f"allowed from {self.current}: {allowed}")


@attrs.define(eq=False)
class UnreachableState(RkError):
    """The lifecycle will not come to the awaited state any more."""

    current: str
    wanted: str

    def __str__(self) -> str:
        return _mend(
            f"waited for {self.wanted}, but the runtime is {self.current}", "see __cause__; build a new runtime"
        )


@attrs.define(eq=False)
class AlreadyStarted(RkError):
    """A runtime, an actor or a device starts once."""

    what: str
    state: str

    def __str__(self) -> str:
        return _mend(f"{self.what} was started before and is {self.state}", "build a new one; one object starts once")


@attrs.define(eq=False)
class NotRunning(RkError):
    """The runtime takes no work in this state."""

    state: str

    def __str__(self) -> str:
        return _mend(
            f"the runtime is {self.state}, so it takes no work",
            "use it inside `async with open_runtime(...)`, or await wait_for(State.RUNNING) first",
        )


@attrs.define(eq=False)
class Draining(RkError):
    """The runtime finishes what it has and takes nothing new."""

    retry_after_s: float

    def __str__(self) -> str:
        return _mend(
            "the runtime is draining: work in flight finishes, new work is refused",
            f"send the request to another instance, or again in {self.retry_after_s:g} s",
        )


@attrs.define(eq=False)
class CanaryFailed(RkError):
    """The kernel launched before Running did not give its known result."""

    device: str
    expected: str
    got: str

    def __str__(self) -> str:
        return _mend(
            f"the canary kernel on {self.device} gave {self.got}, not {self.expected}",
            "the device or its compiler is broken: try `--device cpu`, and check the driver",
        )


# Actors


@attrs.define(eq=False)
class Overloaded(RkError):
    """The mailbox is full and its policy is to refuse."""

    actor: str
    capacity: int

    def __str__(self) -> str:
        return _mend(
            f"the mailbox of {self.actor!r} holds its {self.capacity} messages",
            "send less at once, raise mailbox_capacity, or take the waiting policy",
        )


@attrs.define(eq=False)
class ActorCrashed(RkError):
    """The handler raised; the cause is `__cause__`. The message is not delivered again."""

    actor: str
    message: str
    cause: str

    def __str__(self) -> str:
        return _mend(
            f"actor {self.actor!r} crashed in {self.message}: {self.cause}",
            "the cause is attached (__cause__); the message is not redelivered, so send it again if that is safe",
        )


@attrs.define(eq=False)
class MessageCancelled(RkError):
    """A message was cancelled before its handler finished."""

    actor: str
    message: str
    reason: str

    def __str__(self) -> str:
        return _mend(f"{self.message} on {self.actor!r} was cancelled: {self.reason}", "send it again with more time")


@attrs.define(eq=False)
class AskCycle(RkError):
    """An actor that handles one message at a time asks itself, perhaps through others: nobody could ever answer."""

    actor: str
    path: Sequence[str]

    def __str__(self) -> str:
        path = " → ".join([*self.path, self.actor])
        return _mend(
            f"asking {self.actor!r} from inside its own handler would wait for ever: {path}",
            "use tell, or call the method",
        )


@attrs.define(eq=False)
class ActorStopped(RkError):
    """The actor is gone, for good."""

    actor: str
    reason: str = "it was stopped"

    def __str__(self) -> str:
        return _mend(f"actor {self.actor!r} takes no messages: {self.reason}", "spawn a new one")


@attrs.define(eq=False)
class RestartLimit(RkError):
    """The actor crashed more often than its restart window allows."""

    actor: str
    max_restarts: int
    within_s: float

    def __str__(self) -> str:
        return _mend(
            f"actor {self.actor!r} needed more than {self.max_restarts} restarts within {self.within_s:g} s",
            "mend what makes it crash (see __cause__), or widen Restart(max_restarts=..., within=...)",
        )


@attrs.define(eq=False)
class InstanceLimit(RkError):
    """One kernel actor more than `max_kernel_instances`."""

    limit: int
    live: int

    def __str__(self) -> str:
        return _mend(
            f"{self.live} kernel actors live, and max_kernel_instances is {self.limit}",
            "stop one that is not needed, or raise max_kernel_instances",
        )


@attrs.define(eq=False)
class NameTaken(RkError):
    """Names of live actors are unique."""

    name: str

    def __str__(self) -> str:
        return _mend(f"an actor named {self.name!r} lives already", "leave the name out, or choose another")


@attrs.define(eq=False)
class DeadlineExceeded(RkError, TimeoutError):
    """The message's deadline passed before its answer."""

    actor: str
    message: str
    deadline_s: float

    def __str__(self) -> str:
        return _mend(
            f"{self.message} on {self.actor!r} had {self.deadline_s:g} s and needed more",
            "give it a longer deadline, or the actor less to do",
        )


# Kernels and launches


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
        return _mend(f"no kernel {self.target!r} in {self.where}", f"{hint}known there: {known}")


@attrs.define(eq=False)
class NotAKernelFile(RkError):
    """The file cannot be imported as Python, or is not there."""

    path: str
    why: str

    def __str__(self) -> str:
        return _mend(
            f"{self.path} is no kernel file: {self.why}", "give FILE.py:KERNEL, a Python file with a numba.cuda kernel"
        )


@attrs.define(eq=False)
class UnsupportedKernel(RkError, NotImplementedError):
    """A construct that the CPU compiler cannot take; it never guesses."""

    kernel: str
    construct: str
    file: str
    line: int
    mend: str

    def __str__(self) -> str:
        return _mend(f"{self.file}:{self.line}: kernel {self.kernel}: {self.construct}", self.mend)


@attrs.define(eq=False)
class KernelCompileError(RkError):
    """The kernel does not type or does not compile; `detail` is the compiler's own text."""

    kernel: str
    file: str
    line: int
    signature: str
    detail: str

    def __str__(self) -> str:
        return _mend(
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
        return _mend(f"kernel {self.kernel}, argument {self.argument}: got {self.got}, wanted {self.wanted}", self.mend)


@attrs.define(eq=False)
class InvalidLaunch(RkError, ValueError):
    """Grid, block or shared memory outside what the device takes."""

    kernel: str
    what: str
    value: object
    allowed: str
    mend: str

    def __str__(self) -> str:
        return _mend(f"kernel {self.kernel}: {self.what} {self.value} is not allowed: {self.allowed}", self.mend)


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
        return _mend(
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
        return _mend(f"the launch of {self.kernel} was cancelled: {self.reason}", "launch it again with more time")


# Devices and memory


@attrs.define(eq=False)
class DeviceUnavailable(RkError):
    """The device cannot be opened here."""

    device: str
    missing: str

    def __str__(self) -> str:
        return _mend(f"device {self.device!r} cannot be opened: {self.missing}", "go on with --device cpu")


@attrs.define(eq=False)
class CopyFailed(RkError):
    """A copy between host and device did not arrive; the device goes on."""

    device: str
    direction: str
    size_bytes: int
    what: str

    def __str__(self) -> str:
        return _mend(
            f"copy {self.direction} of {self.size_bytes:,} bytes on {self.device!r} failed: {self.what}",
            "copy again; what the target holds is not to be used",
        )


@attrs.define(eq=False)
class DeviceLost(RkError):
    """The device failed while in use; what was on it is gone."""

    device: str
    what: str

    def __str__(self) -> str:
        return _mend(f"device {self.device!r} is lost: {self.what}", "open a new runtime; device arrays are gone")


@attrs.define(eq=False)
class OutOfDeviceMemory(RkError, MemoryError):
    """The request fits neither the pools nor the limit; `report` says who holds what, and what would make it fit.

    `details` is the same report with its fields (`rkruntime.memory.OutOfMemoryReport`), where the pools made it.
    """

    wanted_bytes: int
    allocated_bytes: int
    cached_bytes: int
    limit_bytes: int
    report: str
    details: object = None

    def __str__(self) -> str:
        return (
            f"out of device memory: wanted {self.wanted_bytes:,} bytes with {self.allocated_bytes:,} in use and "
            f"{self.cached_bytes:,} cached of {self.limit_bytes:,}\n{self.report}"
        )


@attrs.define(eq=False)
class MemoryPressure(RkError):
    """New kernel actors are refused at this pressure level; running ones go on."""

    level: str
    allocated_bytes: int
    limit_bytes: int

    def __str__(self) -> str:
        return _mend(
            f"memory pressure is {self.level}: {self.allocated_bytes:,} of {self.limit_bytes:,} bytes in use",
            "free arrays or stop actors that hold them, or raise max_gpu_memory",
        )


@attrs.define(eq=False)
class BufferMisuse(RkError, ValueError):
    """A device array that was freed before, is used after it was freed, or belongs to another runtime."""

    what: str
    buffer: str
    mend: str

    def __str__(self) -> str:
        return _mend(f"{self.what}: {self.buffer}", self.mend)


# Configuration and input


@attrs.define(eq=False)
class InvalidConfiguration(RkError, ValueError):
    """A configuration value outside what is allowed."""

    path: str
    value: object
    allowed: str

    def __str__(self) -> str:
        return _mend(f"{self.path} = {self.value!r} is not allowed", f"allowed: {self.allowed}")


@attrs.define(eq=False)
class UnreadableInput(RkError):
    """An input or output file that cannot be read or written as what its name says."""

    path: str
    why: str
    mend: str

    def __str__(self) -> str:
        return _mend(f"{self.path}: {self.why}", self.mend)
