"""The drain at run time: asks `_drain.next_step` what to do, and does it."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from rkruntime.actors import ActorSystem
from rkruntime.errors import Draining
from rkruntime.runtime._drain import DrainLimits, DrainStep, DrainView, next_step

__all__ = ("Shutdown",)


class Shutdown:
    """One shutdown: requested once or more, hurried perhaps, drained once.

    Args:
        limits: How long each step may take.
    """

    def __init__(self, limits: DrainLimits) -> None:
        self.limits = limits
        self._requested = trio.Event()
        self._hurried = False
        self._nudged = trio.Event()
        self._began_s: float | None = None
        self._cancelled_s: float | None = None

    def request(self, timeout_s: float | None = None) -> None:
        """Ask for the drain; a timeout given replaces the configured one, also while draining."""
        if timeout_s is not None:
            self.limits = attrs.evolve(self.limits, timeout_s=timeout_s)
            self._nudge()
        self._requested.set()

    def hurry(self) -> None:
        """Ask for the drain, and cancel at once what is in flight."""
        self._requested.set()
        self._hurried = True
        self._nudge()

    def _nudge(self) -> None:
        """Let a drain that waits look again at what it is to do."""
        self._nudged.set()
        self._nudged = trio.Event()

    @property
    def is_requested(self) -> bool:
        """Whether anyone asked."""
        return self._requested.is_set()

    async def wait_requested(self) -> None:
        """Wait until someone asks."""
        await self._requested.wait()

    @property
    def began_s(self) -> float:
        """When the drain began, by Trio's clock; now, while it has not."""
        return trio.current_time() if self._began_s is None else self._began_s

    @property
    def deadline_s(self) -> float:
        """When what is still in flight is cancelled, by Trio's clock."""
        return self.began_s + self.limits.grace_s + self.limits.timeout_s

    async def drain(self, system: ActorSystem) -> None:
        """Close admission and see everything in flight to its end.

        May be cancelled and called again: it goes on where it was.
        """
        self._began_s = self.began_s
        while True:
            nudged = self._nudged
            step, until_s = next_step(self._view(system), self.limits)
            if step is not DrainStep.GRACE:
                system.close_admission(self._refusal)
            match step:
                case DrainStep.GRACE:
                    await self._until(until_s, nudged.wait)
                case DrainStep.WAIT:
                    await self._idle_or_nudged(system, until_s, nudged)
                case DrainStep.CANCEL:
                    self._cancelled_s = trio.current_time()
                    system.cancel_in_flight()
                case DrainStep.CLEAN_UP:
                    await self._until(until_s, system.wait_idle)
                case DrainStep.FINISH:
                    return

    def _view(self, system: ActorSystem) -> DrainView:
        return DrainView(
            now_s=trio.current_time(),
            began_s=self.began_s,
            cancelled_s=self._cancelled_s,
            in_flight=system.ledger.in_flight,
            hurried=self._hurried,
        )

    def _refusal(self) -> Draining:
        return Draining(retry_after_s=max(1.0, self.deadline_s - trio.current_time()))

    async def _until(self, until_s: float, wait: Callable[[], object]) -> None:
        with trio.move_on_at(until_s):
            await wait()  # type: ignore[misc]

    async def _idle_or_nudged(self, system: ActorSystem, until_s: float, nudged: trio.Event) -> None:
        async def idle() -> None:
            await system.wait_idle()
            nursery.cancel_scope.cancel()

        with trio.move_on_at(until_s):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(idle)
                await nudged.wait()
                nursery.cancel_scope.cancel()
