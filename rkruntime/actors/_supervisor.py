"""A supervisor: hears how its children's lives end, and has them live again, alone or together, or gives up."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import trio

from rkruntime.actors._restart import Decision, Policy, Restart, Strategy, affected, backoff_s, decide, within_window
from rkruntime.errors import RestartLimit

if TYPE_CHECKING:
    from rkruntime.actors._cell import Cell
    from rkruntime.actors._system import ActorSystem

__all__ = ("Supervisor", "SupervisorRef")

Child: TypeAlias = "Cell | Supervisor"


class Supervisor:
    """Children in starting order, and the settings that answer their crashes.

    Args:
        name: What it is called; unique among actors and supervisors.
        restart: How crashes are answered; a child's own settings, if it has any, replace all but the strategy.
        system: Whose supervisor it is.
        parent: Who hears when it gives up; None for the root.
    """

    def __init__(self, name: str, restart: Restart, system: ActorSystem, parent: Supervisor | None) -> None:
        self.name = name
        self.restart = restart
        self.system = system
        self.parent = parent
        self.children: dict[Child, None] = {}
        self.restarts_s: tuple[float, ...] = ()
        self.restarts = 0
        self._one_group_at_a_time = trio.Lock()
        self._halted = False

    def forget(self, child: Child) -> None:
        """Drop a child that has stopped for good."""
        self.children.pop(child, None)

    def child_ended(self, child: Child, error: BaseException | None) -> None:
        """Answer the end of a child's life, which nobody had asked for."""
        if self._halted or self.system.stopping:
            return
        restart = child.restart
        book: Child = child if isinstance(child, Supervisor) or child.spec.restart is not None else self
        now_s = trio.current_time()
        match decide(restart, book.restarts_s, now_s, crashed=error is not None):
            case Decision.STOP:
                why = f"it crashed, and is not restarted: {error}" if error is not None else "it ended itself"
                self.system.start_soon(child.stop, why)
            case Decision.RESTART:
                earlier = within_window(book.restarts_s, now_s, restart.within)
                book.restarts_s = (*earlier, now_s)
                self.system.start_soon(self._restart, child, backoff_s(restart, len(earlier), self.system.random()))
            case Decision.ESCALATE:
                limit = RestartLimit(child.name, restart.max_restarts, restart.within)
                limit.__cause__ = error
                self.give_up(limit)

    def give_up(self, limit: RestartLimit) -> None:
        """Hand the failure to the supervisor above; the root hands it to the system."""
        self.system.tell_escalation(self, limit)
        if self.parent is None:
            self.system.fail(limit)
        else:
            self.system.start_soon(self._halt_then_report, limit)

    async def _halt_then_report(self, limit: RestartLimit) -> None:
        await self.halt(f"its supervisor {self.name!r} gave up")
        assert self.parent is not None
        self.parent.child_ended(self, limit)

    async def _restart(self, crashed: Child, delay_s: float) -> None:
        """Restart those whom the strategy names: all halted in reverse order, then begun in order."""
        crashed.state = "restarting"
        if self.restart.strategy is Strategy.ONE_FOR_ONE:
            await self._begin([crashed], delay_s)
            return
        async with self._one_group_at_a_time:
            children = list(self.children)
            if crashed not in self.children:
                return
            group = [children[k] for k in affected(self.restart.strategy, children.index(crashed), len(children))]
            for child in reversed(group):
                if child is not crashed:
                    await child.halt(f"{crashed.name!r} crashed, and restarts with it")
                    child.state = "restarting"
            for child in group:
                if child is not crashed and child.restart.policy is Policy.TEMPORARY:
                    await child.stop(f"{crashed.name!r} crashed")
            await self._begin([child for child in group if child in self.children], delay_s)

    async def _begin(self, group: list[Child], delay_s: float) -> None:
        await trio.sleep(delay_s)
        for child in group:
            if not self._halted and not self.system.stopping and child.state == "restarting":
                child.restarts += 1
                await child.begin()

    # What its own supervisor does with it

    state = "running"

    async def begin(self) -> None:
        """Live again: every child begins anew, in starting order."""
        self._halted = False
        self.state = "running"
        self.restarts_s = ()
        for child in list(self.children):
            child.restarts += 1
            await child.begin()

    async def halt(self, why: str) -> None:
        """End every child's life, the last one started first; their mailboxes stay."""
        self._halted = True
        for child in reversed(list(self.children)):
            await child.halt(why)
            if child.state != "stopped":
                child.state = "restarting"

    async def stop(self, why: str) -> None:
        """Stop every child for good, the last one started first, and then be forgotten."""
        self._halted = True
        for child in reversed(list(self.children)):
            await child.stop(why)
        self.state = "stopped"
        if self.parent is not None:
            self.parent.forget(self)
            self.system.forget_name(self.name)


class SupervisorRef:
    """A supervisor's address: give it to `spawn(..., supervisor=)`."""

    __slots__ = ("_supervisor",)

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    @property
    def name(self) -> str:
        """Its name."""
        return self._supervisor.name

    async def stop(self) -> None:
        """Stop its children, the last one started first, and itself."""
        await self._supervisor.stop("its supervisor was stopped")

    def __repr__(self) -> str:
        return f"<SupervisorRef {self.name!r}: {len(self._supervisor.children)} children>"
