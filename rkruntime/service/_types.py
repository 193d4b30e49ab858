"""What is asked and answered in JSON, as attrs types: /openapi.json is made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import attrs

__all__ = (
    "ActorPage",
    "Actors",
    "Device",
    "DrainAsked",
    "DrainBegun",
    "HealthCheck",
    "KernelPage",
    "KernelSummary",
    "Kernels",
    "LaunchAnswer",
    "LaunchAsked",
    "Liveness",
    "Memory",
    "MemoryClass",
    "MemoryOwner",
    "Output",
    "Readiness",
    "RuntimePage",
    "Timings",
    "TypedData",
    "TypedNumber",
)

Lengths = int | Sequence[int]
Dtype = Literal[
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]


@attrs.frozen(kw_only=True)
class Output:
    """An array of zeros for the kernel to write to.

    Args:
        shape: Lengths of its axes.
        dtype: NumPy's name of its items' type.
    """

    shape: Lengths
    dtype: Dtype


@attrs.frozen(kw_only=True)
class TypedData:
    """An array of a type.

    Args:
        data: Its items, in nested lists.
        dtype: NumPy's name of their type.
    """

    data: Sequence[Any]
    dtype: Dtype


@attrs.frozen(kw_only=True)
class TypedNumber:
    """A number of a type.

    Args:
        value: The number.
        dtype: NumPy's name of its type.
    """

    value: float | bool
    dtype: Dtype


@attrs.frozen(kw_only=True)
class LaunchAsked:
    """A launch.

    Args:
        args: The arguments by name: numbers, nested lists of numbers, or objects of the three forms.
        over: One thread an element: a length, or up to three.
        grid: Blocks, in place of `over`.
        block: Threads a block.
        shared: Bytes of dynamic shared memory a block.
    """

    args: Mapping[str, float | bool | Sequence[Any] | Output | TypedData | TypedNumber]
    over: Lengths | None = None
    grid: Lengths | None = None
    block: Lengths | None = None
    shared: int | None = None


@attrs.frozen(kw_only=True)
class Timings:
    """Where the time of a launch went, in seconds.

    Args:
        compile_s: Compiling; 0 where the kernel was compiled before.
        copy_in_s: Allocating and copying to the device.
        queue_s: Waiting for the device.
        device_s: On the device.
        copy_out_s: Copying back.
        total_s: From the call to its return.
    """

    compile_s: float
    copy_in_s: float
    queue_s: float
    device_s: float
    copy_out_s: float
    total_s: float


@attrs.frozen(kw_only=True)
class LaunchAnswer:
    """What a launch gave.

    Args:
        results: By name, the arrays that the kernel may have stored to.
        timings: Where its time went.
        kernel: The kernel's name.
        device: The device's name.
        lowering: How the device ran it.
        grid: Blocks in x, y, z.
        block: Threads a block in x, y, z.
    """

    results: Mapping[str, Sequence[Any] | float | bool]
    timings: Timings
    kernel: str
    device: str
    lowering: str
    grid: Sequence[int]
    block: Sequence[int]


@attrs.frozen(kw_only=True)
class KernelSummary:
    """A kernel in the list.

    Args:
        name: The name under which it is served.
        signature: As its author's call would read.
        summary: The first line of what it says of itself.
    """

    name: str
    signature: str
    summary: str


@attrs.frozen(kw_only=True)
class Kernels:
    """The kernels served."""

    kernels: Sequence[KernelSummary]


@attrs.frozen(kw_only=True)
class KernelPage:
    """One kernel.

    Args:
        name: The name under which it is served.
        signature: As its author's call would read.
        summary: The first line of what it says of itself.
        documentation: All of that.
        parameters: Names of its arguments, in order.
        optional: Those that may be left out.
        declared: The types of its declared signatures, if its author declared any: launches take these alone.
    """

    name: str
    signature: str
    summary: str
    documentation: str
    parameters: Sequence[str]
    optional: Sequence[str]
    declared: Sequence[Sequence[str]]


@attrs.frozen(kw_only=True)
class ActorPage:
    """An actor.

    Args:
        name: Unique among live actors.
        kind: Its class.
        state: starting, running, restarting, stopping or stopped.
        in_flight: Messages that wait or run.
        waiting: Messages that wait.
        messages: Messages handled so far.
        restarts: Restarts so far.
        memory_bytes: Device memory that it holds.
        last_error: What crashed it last, if anything did.
    """

    name: str
    kind: str
    state: str
    in_flight: int
    waiting: int
    messages: int
    restarts: int
    memory_bytes: int
    last_error: str


@attrs.frozen(kw_only=True)
class Actors:
    """The live actors."""

    actors: Sequence[ActorPage]


@attrs.frozen(kw_only=True)
class MemoryClass:
    """One size class of the pools; `block_bytes` is 0 for memory outside the pools."""

    block_bytes: int
    live: int
    idle: int
    quarantined: int
    allocated_bytes: int
    reserved_bytes: int


@attrs.frozen(kw_only=True)
class MemoryOwner:
    """Who holds how much."""

    name: str
    kind: str
    allocated_bytes: int
    buffers: int


@attrs.frozen(kw_only=True)
class Memory:
    """Where the device's memory is.

    Args:
        pressure: normal, warning, critical or emergency.
        limit_bytes: What may be reserved.
        reserved_bytes: Taken from the device.
        allocated_bytes: What the blocks in use hold.
        requested_bytes: What was asked for in them.
        cached_bytes: Reserved and not allocated.
        peak_bytes: The most that was ever allocated at once.
        buffers: Buffers not freed.
        classes: By size class.
        owners: By owner, the largest first.
    """

    pressure: str
    limit_bytes: int
    reserved_bytes: int
    allocated_bytes: int
    requested_bytes: int
    cached_bytes: int
    peak_bytes: int
    buffers: int
    classes: Sequence[MemoryClass]
    owners: Sequence[MemoryOwner]


@attrs.frozen(kw_only=True)
class Device:
    """The device."""

    kind: str
    name: str
    compute_units: int


@attrs.frozen(kw_only=True)
class RuntimePage:
    """What the runtime does; the fields are those of `rustkernel runtime status --json`.

    Args:
        instance: The name of its control socket, if it has one.
        pid: Its process.
        version: Of rkruntime.
        state: Where the lifecycle stands.
        since: Since when, ISO 8601.
        for_s: For how many seconds.
        device: The device; none before it is open and after it is closed.
        in_flight: Messages that wait or run.
        drain: How far the drain is, while there is one.
        actors: How many live, and the busiest.
        memory: Totals; /v1/memory tells more.
        health: The last health check.
    """

    instance: str | None
    pid: int
    version: str
    state: str
    since: str
    for_s: float
    device: Device | None
    in_flight: int
    drain: Mapping[str, Any] | None
    actors: Mapping[str, Any]
    memory: Mapping[str, Any] | None
    health: Mapping[str, Any]


@attrs.frozen(kw_only=True)
class DrainAsked:
    """A drain; the body may be left out.

    Args:
        timeout_s: Seconds for what is in flight; what the configuration says unless given.
    """

    timeout_s: float | None = None


@attrs.frozen(kw_only=True)
class DrainBegun:
    """The drain has been asked for.

    Args:
        state: Where the lifecycle stands now.
        timeout_s: As asked.
    """

    state: str
    timeout_s: float | None


@attrs.frozen(kw_only=True)
class Liveness:
    """Whether the process is worth keeping.

    Args:
        live: Whether.
        state: Where the lifecycle stands.
        loop: Whether the runtime's loop turns.
    """

    live: bool
    state: str
    loop: str


@attrs.frozen(kw_only=True)
class HealthCheck:
    """One part's health."""

    name: str
    ok: bool
    detail: str


@attrs.frozen(kw_only=True)
class Readiness:
    """Whether new launches are served.

    Args:
        ready: Whether.
        state: Where the lifecycle stands.
        checks: The last health check, part by part.
    """

    ready: bool
    state: str
    checks: Sequence[HealthCheck]
