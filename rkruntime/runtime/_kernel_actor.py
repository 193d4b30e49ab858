"""A kernel as an actor with one message: launch."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from rkruntime.actors import Ref
from rkruntime.errors import RkError
from rkruntime.kernels import KernelSpec, LaunchRecord
from rkruntime.runtime._actor import Actor

__all__ = ("KernelActor", "KernelRef")


class KernelActor(Actor):
    """Launches one kernel on a stream of its own.

    A launch that fails through its arguments, its kernel or the lack of memory leaves nothing behind, so its error goes
    to the asker as it is and the actor lives on.
    """

    passes = (RkError,)

    def __init__(self, spec: KernelSpec) -> None:
        self.spec = spec

    async def launch(self, *args: Any, **how: Any) -> LaunchRecord:
        """Launch the kernel with these arguments, and wait."""
        return await self._launcher.launch(self.spec, *args, **how)


class KernelRef(Ref[KernelActor]):
    """A kernel actor's address."""

    __slots__ = ()

    @classmethod
    def of(cls, ref: Ref[KernelActor]) -> KernelRef:
        """Turn the address of a kernel actor into one that can launch."""
        return cls(ref._cell)

    def launch(self, *args: Any, **how: Any) -> Coroutine[Any, Any, LaunchRecord]:
        """Launch the kernel and wait for its end.

        Args:
            args: The kernel's arguments: scalars, NumPy arrays (copied in and out, or shared where the device can),
                `In`, `Out` or `InOut` around them, device arrays.
            how: `over=` (a size or a shape: one thread an element), or `grid=` and `block=`; `shared=` dynamic shared
                memory in bytes.

        Returns:
            Where the time went.

        Raises:
            ArgumentMismatch: An argument that the kernel cannot take.
            InvalidLaunch: Grid, block or shared memory outside the device's limits.
            KernelFault: A thread raised.
            OutOfDeviceMemory: The arrays do not fit.
        """
        return self.ask(KernelActor.launch, *args, **how)
