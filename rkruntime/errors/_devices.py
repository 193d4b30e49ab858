"""Errors of devices and of their memory."""

from __future__ import annotations

import attrs

from rkruntime.errors._base import RkError, told

__all__ = (
    "BufferMisuse",
    "CopyFailed",
    "DeviceLost",
    "DeviceUnavailable",
    "MemoryPressure",
    "OutOfDeviceMemory",
)


@attrs.define(eq=False)
class DeviceUnavailable(RkError):
    """The device cannot be opened here."""

    device: str
    missing: str

    def __str__(self) -> str:
        return told(f"device {self.device!r} cannot be opened: {self.missing}", "go on with --device cpu")


@attrs.define(eq=False)
class CopyFailed(RkError):
    """A copy between host and device did not arrive; the device goes on."""

    device: str
    direction: str
    size_bytes: int
    what: str

    def __str__(self) -> str:
        return told(
            f"copy {self.direction} of {self.size_bytes:,} bytes on {self.device!r} failed: {self.what}",
            "copy again; what the target holds is not to be used",
        )


@attrs.define(eq=False)
class DeviceLost(RkError):
    """The device failed while in use; what was on it is gone."""

    device: str
    what: str

    def __str__(self) -> str:
        return told(f"device {self.device!r} is lost: {self.what}", "open a new runtime; device arrays are gone")


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
        return told(
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
        return told(f"{self.what}: {self.buffer}", self.mend)
