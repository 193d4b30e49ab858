"""Bring a launch's arguments to a device, and its results back.

Where the device reads host memory, host arrays go as they are, and the kernel works in them. There, only an array
that the caller marked `In` and that the kernel stores to is copied, so that the caller's stays as it is. Elsewhere,
each host array gets a pooled one for the time of the launch.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from rkruntime.device import Compiled, DeviceEvent, DeviceProperties, DeviceStream
from rkruntime.errors import ArgumentMismatch
from rkruntime.kernels._arguments import Passed, describe, writable_alias
from rkruntime.kernels._spec import KernelSpec

__all__ = ("Memory", "Staged")


class Memory(Protocol):
    """Where pooled arrays come from: `rkruntime.memory.OwnedMemory`."""

    async def empty(self, shape: Any, dtype: Any = ...) -> Any:
        """Allocate an array whose contents are undefined."""
        ...


class Staged:
    """The arguments of one launch, and the pooled arrays that it holds for them.

    Args:
        spec: The kernel.
        passed: Its arguments.
        properties: What the device can do.
        memory: Where pooled arrays come from.
    """

    __slots__ = ("_memory", "_passed", "_pooled", "_properties", "_spec", "args")

    def __init__(
        self, spec: KernelSpec, passed: Sequence[Passed], properties: DeviceProperties, memory: Memory
    ) -> None:
        self._spec = spec
        self._passed = passed
        self._properties = properties
        self._memory = memory
        self._pooled: dict[int, Any] = {}
        self.args: list[Any] = []

    async def place(self) -> None:
        """Give each argument the form the device takes; pooled arrays are allocated, and hold nothing yet."""
        for position, passed in enumerate(self._passed):
            self.args.append(await self._place(position, passed))

    @property
    def direct(self) -> bool:
        """Whether all arguments went as they are, with no pooled array of the launch's own."""
        return not self._pooled

    async def fill(self, compiled: Compiled) -> None:
        """Check what the kernel stores to, and copy in what it reads.

        Raises:
            ArgumentMismatch: The kernel stores to a read-only array.
        """
        for position, passed in enumerate(self._passed):
            if passed.kind == "pooled":
                self.args[position] = passed.value.view  # raises if it was freed while the kernel compiled
            if passed.kind != "host":
                continue
            written = position in compiled.written
            if written and passed.direction != "in" and not passed.value.flags.writeable and self._known(compiled):
                mend = f"give a copy ({passed.name}.copy()), or In({passed.name}) where its result is not wanted"
                got = f"a read-only {describe(passed.value)}"
                raise ArgumentMismatch(self._spec.name, passed.name, got, "an array that may be written", mend)
            if written and passed.direction == "in" and self._properties.host_accessible:
                self.args[position] = (await self._allocate(position, passed.value)).view
            if position in self._pooled and passed.direction != "out":
                await self._pooled[position].copy_from_host(passed.value)

    def touch(self, event: DeviceEvent, stream: DeviceStream) -> None:
        """Tell device arrays that work up to `event` uses them."""
        for passed in self._passed:
            if passed.kind == "pooled":
                passed.value.touch(event, stream)
        for array in self._pooled.values():
            array.touch(event, stream)

    async def bring_back(self, compiled: Compiled) -> None:
        """Copy out what the kernel may have stored."""
        for position, array in self._pooled.items():
            passed = self._passed[position]
            if passed.direction == "in" or position not in compiled.written or not passed.value.flags.writeable:
                continue
            if passed.value.flags.c_contiguous:
                await array.copy_to_host(passed.value)
            else:
                np.copyto(passed.value, await array.copy_to_host())

    def free(self, after: DeviceEvent | None, stream: DeviceStream) -> None:
        """Give the pooled arrays back, once the launch no longer uses them."""
        while self._pooled:
            _, array = self._pooled.popitem()
            if not array.freed:  # an actor that stopped meanwhile has freed all it held
                array.free(after, stream)

    async def _place(self, position: int, passed: Passed) -> Any:
        value = passed.value
        if passed.kind == "plain":
            return value
        if passed.kind == "pooled":
            return value.view
        if passed.kind == "foreign":
            return self._foreign(passed)
        if not self._properties.host_accessible:
            return (await self._allocate(position, value)).view
        return value if value.flags.writeable else writable_alias(value)

    async def _allocate(self, position: int, value: Any) -> Any:
        array = await self._memory.empty(value.shape, value.dtype)
        self._pooled[position] = array
        return array

    def _known(self, compiled: Compiled) -> bool:
        """Whether `written` is what the kernel stores to, and not merely all arguments for want of knowledge."""
        return self._properties.host_accessible or len(compiled.written) < len(self._passed)

    def _foreign(self, passed: Passed) -> Any:
        if self._properties.kind == "cuda":
            cuda: Any = importlib.import_module("numba.cuda")
            return cuda.as_cuda_array(passed.value)
        got = f"an array on a GPU, {describe(passed.value)}"
        wanted = f"a host array: this is {self._properties.kind}"
        mend = "copy it to the host first, or open the runtime with device='cuda'"
        raise ArgumentMismatch(self._spec.name, passed.name, got, wanted, mend)
