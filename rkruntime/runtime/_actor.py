"""The actor that applications write: with device memory of its own, and kernels to launch on its own stream."""

from __future__ import annotations

from typing import Any

from rkruntime import actors
from rkruntime.kernels import Launcher, LaunchRecord, as_spec
from rkruntime.memory import OwnedMemory

__all__ = ("Actor",)


class Actor(actors.Actor):
    """An actor: its async methods are its messages, its device arrays end with it.

    `self.memory` allocates arrays that are freed when the actor stops or crashes; `self.launch` launches kernels on
    the actor's own stream, in order. Both are there from `setup` on.
    """

    memory: OwnedMemory
    _launcher: Launcher

    async def launch(self, kernel: Any, *args: Any, **how: Any) -> LaunchRecord:
        """Launch a kernel and wait for it, as `Launcher.launch` does.

        Args:
            kernel: A `@rk.kernel`, a `@cuda.jit` dispatcher, or a plain function.
            args: The kernel's arguments.
            how: `over=`, or `grid=` and `block=`, and `shared=`.
        """
        return await self._launcher.launch(as_spec(kernel), *args, **how)
