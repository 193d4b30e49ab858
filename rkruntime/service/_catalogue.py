"""The kernels that are served: by name, each with an actor once it has been launched."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any

import attrs
import trio

from rkruntime.actors import Answer, Policy, Restart
from rkruntime.errors import ActorStopped, KernelNotFound, NameTaken, Overloaded
from rkruntime.kernels import KernelSpec, LaunchRecord
from rkruntime.runtime import KernelActor, KernelRef, Runtime

__all__ = ("Catalogue",)

FORGIVING = Restart(policy=Policy.TEMPORARY)
"""A crashed kernel actor is not restarted, and so never escalates to the runtime's end; the next launch spawns anew."""


class Catalogue:
    """The kernels of one service.

    Args:
        runtime: Where they run.
        specs: Kernels by the name under which they are served.
        concurrency: Launches of one kernel that may be under way side by side.
    """

    def __init__(self, runtime: Runtime, specs: Mapping[str, KernelSpec], *, concurrency: int) -> None:
        # Answers, metrics and traces call a kernel as requests do: two of a function's name would be counted as one.
        self.specs = {name: attrs.evolve(spec, name=name) for name, spec in specs.items()}
        self._runtime = runtime
        self._concurrency = concurrency
        self._refs: dict[str, KernelRef] = {}
        self._spawning: dict[str, trio.Lock] = {}

    def spec(self, name: str) -> KernelSpec:
        """Return a kernel by its name.

        Raises:
            KernelNotFound: None is served under that name.
        """
        found = self.specs.get(name)
        if found is None:
            close = tuple(difflib.get_close_matches(name, self.specs, 3, 0.5))
            raise KernelNotFound(name, "this service", tuple(self.specs), close)
        return found

    async def launch(self, name: str, args: tuple[object, ...], how: Mapping[str, object]) -> LaunchRecord:
        """Launch a kernel through its actor, which is spawned for its first launch; for the Trio thread."""
        ref = self._refs.get(name) or await self._spawn(name)
        try:
            return await ref.launch(*args, **how)
        except ActorStopped:
            if self._refs.get(name) is ref:
                del self._refs[name]
            raise

    def launch_soon(
        self,
        answer: Answer,
        context: Context,
        name: str,
        args: tuple[object, ...],
        how: dict[str, Any],
    ) -> Callable[[str], None] | None:
        """Launch without a task where the kernel's actor is there and has room; for the Trio thread.

        Args:
            answer: Called with how the launch ended.
            context: The request's context variables.
            name: The kernel.
            args: Its arguments.
            how: Some of `over`, `grid`, `block` and `shared`.

        Returns:
            What cancels the launch; None where it has to be asked for by `launch`, which waits.

        Raises:
            Draining: The runtime takes nothing new.
        """
        ref = self._refs.get(name)
        if ref is None:
            return None
        try:
            return ref.ask_soon(answer, KernelActor.launch, args, how, context)
        except ActorStopped:
            del self._refs[name]
        except Overloaded:
            pass
        return None

    async def _spawn(self, name: str) -> KernelRef:
        lock = self._spawning.setdefault(name, trio.Lock())
        async with lock:
            ref = self._refs.get(name)
            if ref is None:
                spec = self.spec(name)
                ref = self._refs[name] = await self._spawn_as(spec, name)
        return ref

    async def _spawn_as(self, spec: KernelSpec, name: str | None) -> KernelRef:
        try:
            return await self._runtime.spawn(spec, name=name, restart=FORGIVING, concurrency=self._concurrency)
        except NameTaken:  # by an actor of the application's, or by the root of all actors
            return await self._spawn_as(spec, None)
