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
        parent: Who hears when it gives up, and answers that by settings of its own; None for the root.
    """

    own_restart = None

    def __init__(self, name: str, restart: Restart, system: ActorSystem, parent: Supervisor | None) -> None:
        self.name = name
        self.restart = restart
        self.system = system
        self.parent = parent
        self.children: dict[Child, None] = {}
        self.restarts_s: tuple[float, ...] = ()
        self.restarts = 0
        self.state = "running"
        self._one_group_at_a_time = trio.Lock()
        self._halted = False
        self._halts = 0

    @property
    def admits(self) -> bool:
        """Whether it takes children; not once it stops for good."""
        return self.state not in ("stopping", "stopped")

    def forget(self, child: Child) -> None:
        """Drop a child that has stopped for good."""
        self.children.pop(child, None)

    def child_ended(self, child: Child, error: BaseException | None) -> None:
        """Answer the end of a child's life, which nobody had asked for."""
        if self.system.stopping:
            return
        if self._halted:
            child.state = "restarting"  # with all others, once this supervisor begins anew
            return
        restart = self._settings(child)
        book: Child | Supervisor = child if child.own_restart is not None else self
        now_s = trio.current_time()
        match decide(restart, book.restarts_s, now_s, crashed=error is not None):
            case Decision.STOP:
                why = f"it crashed, and is not restarted: {error}" if error is not None else "it ended itself"
                self.system.start_soon(child.stop, why)
            case Decision.RESTART:
                earlier = within_window(book.restarts_s, now_s, restart.within)
                book.restarts_s = (*earlier, now_s)
                self._to_restart(child)
                self.system.start_soon(self._restart, child, backoff_s(restart, len(earlier), self.system.random()))
            case Decision.ESCALATE:
                limit = RestartLimit(child.name, restart.max_restarts, restart.within)
                limit.__cause__ = error
                self.give_up(limit)

    def give_up(self, limit: RestartLimit) -> None:
        """Hand the failure to the supervisor above; the root hands it to the system."""
        self._halted = True  # at once: what else crashes by now is part of this failure
        self.system.tell_escalation(self, limit)
        if self.parent is None:
            self.system.fail(limit)
        else:
            self.system.start_soon(self._halt_then_report, limit)

    async def _halt_then_report(self, limit: RestartLimit) -> None:
        await self.halt(f"its supervisor {self.name!r} gave up")
        assert self.parent is not None
        self.parent.child_ended(self, limit)

    def _settings(self, child: Child) -> Restart:
        return child.own_restart or self.restart

    def _to_restart(self, child: Child) -> None:
        child.state = "restarting"
        self.system.tell_life(child, "restarting")

    async def _restart(self, crashed: Child, delay_s: float) -> None:
        """Restart those whom the strategy names: all halted in reverse order, then begun in order."""
        if self.restart.strategy is Strategy.ONE_FOR_ONE:
            await self._begin([crashed], delay_s)
            return
        async with self._one_group_at_a_time:
            children = list(self.children)
            if self._halted or crashed not in self.children or crashed.state != "restarting":
                return  # stopped, or restarted with another's group, while this one waited for its turn
            group = [children[k] for k in affected(self.restart.strategy, children.index(crashed), len(children))]
            halts = self._halts
            for child in reversed(group):
                if child is not crashed:
                    await self._set_aside(child, f"{crashed.name!r} crashed, and it restarts with it")
            if halts == self._halts:
                await self._begin(group, delay_s)

    async def _begin(self, group: list[Child], delay_s: float) -> None:
        """Begin again those of a group that still wait for it, unless this supervisor was halted meanwhile."""
        halts = self._halts
        await trio.sleep(delay_s)
        for child in group:
            if halts != self._halts or self.system.stopping:
                return
            if child in self.children and child.state == "restarting":
                child.restarts += 1
                await child.begin()

    async def _set_aside(self, child: Child, why: str) -> None:
        """End a child's life, until it begins again; for good where it is temporary."""
        if self._settings(child).policy is Policy.TEMPORARY:
            await child.stop(why)
            return
        waits_already = child.state == "restarting"
        await child.halt(why)
        if child in self.children and not waits_already:
            self._to_restart(child)

    # What its own supervisor does with it

    async def begin(self) -> None:
        """Live again: every child begins anew, in starting order."""
        self._halted = False
        self.state = "running"
        self.restarts_s = ()
        self.system.tell_life(self, "restarted")
        await self._begin(list(self.children), 0.0)

    async def halt(self, why: str) -> None:
        """End every child's life, the last one started first; their mailboxes stay."""
        self._halted = True
        self._halts += 1
        for child in reversed(list(self.children)):
            await self._set_aside(child, why)

    async def stop(self, why: str) -> None:
        """Stop every child for good, the last one started first, and then be forgotten."""
        self._halted = True
        self._halts += 1
        if self.admits:
            self.state = "stopping"
        while self.children:
            await next(reversed(self.children)).stop(why)
        if self.state != "stopped":
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
        await self._supervisor.system.see_through(self._supervisor.stop, "its supervisor was stopped")

    def __repr__(self) -> str:
        return f"<SupervisorRef {self.name!r}: {len(self._supervisor.children)} children>"
