"""The actor system: the root supervisor, names, admission, and the ledger of messages in flight."""

from __future__ import annotations

import itertools
import random as random_module
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

import trio

from rkruntime.actors._actor import Actor
from rkruntime.actors._cell import Cell
from rkruntime.actors._ledger import Ledger
from rkruntime.actors._message_log import MessageLog, OnMessages
from rkruntime.actors._records import ActorCounts, ActorEvent, ActorInfo
from rkruntime.actors._ref import Ref
from rkruntime.actors._restart import Restart
from rkruntime.actors._spec import Spec
from rkruntime.actors._supervisor import Supervisor, SupervisorRef
from rkruntime.actors._turn import turns_at_work
from rkruntime.context import Trace
from rkruntime.errors import ActorStopped, NameTaken, NotRunning, RestartLimit
from rkruntime.log import get_logger

__all__ = ("ActorSystem",)

A = TypeVar("A", bound=Actor)


def _no_memory(_name: str) -> None:
    return None


def _as_it_is(_actor: Actor) -> None:
    return None


class ActorSystem:
    """All actors of one runtime.

    Args:
        mailbox_capacity: Messages that wait at an actor unless it was spawned with another bound.
        cleanup_timeout: Seconds that a `teardown` gets.
        memory_for: Makes an actor's memory from its name; its `free_all`, if it has one, ends the memory.
        prepare: Called with each new instance before its `setup`.
        on_record: Called with every `ActorEvent`; what it raises is logged and dropped.
        on_messages: Called with every `MessageDone`, likewise, in batches; without it messages are not timed.
        messages_at_once: How many messages a batch has at most.
        restart: The root supervisor's settings.
        begin_trace: Begins a trace, or none, for a message that comes from no handler and belongs to none; asked only
            where there is `on_messages`.
        whole_messages: Whether messages that are not traced are wanted with more than their outcome and times.
        random: Gives numbers from 0 up to 1, for the jitter of backoffs.
    """

    def __init__(
        self,
        *,
        mailbox_capacity: int = 10_000,
        cleanup_timeout: float = 5.0,
        memory_for: Callable[[str], Any] = _no_memory,
        prepare: Callable[[Any], None] = _as_it_is,
        on_record: Callable[[Any], None] | None = None,
        on_messages: OnMessages | None = None,
        messages_at_once: int = 1,
        begin_trace: Callable[[], Trace | None] | None = None,
        whole_messages: bool = True,
        restart: Restart | None = None,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        self.mailbox_capacity = mailbox_capacity
        self.cleanup_timeout = cleanup_timeout
        self.memory_for = memory_for
        self.prepare = prepare
        self.on_record = on_record
        self.message_log = (
            None if on_messages is None else MessageLog(on_messages, messages_at_once, begin_trace, whole_messages)
        )
        self.random = random
        self.ledger = Ledger()
        self.refusal: Callable[[], Exception] | None = None
        self.stopping = False
        self._log = get_logger("rkruntime.actors")
        self._cells: dict[str, Cell] = {}
        self._names: set[str] = {"root"}
        self._numbers: dict[str, itertools.count[int]] = {}
        self._root = Supervisor("root", restart or Restart(), self, None)
        self._nursery: trio.Nursery | None = None
        self._ended = trio.Event()
        self._stopped = trio.Event()
        self._failure: RestartLimit | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Host the actors until `stop`; for `nursery.start`.

        Raises:
            RestartLimit: Crashes went past the root supervisor's window; every actor has been stopped by then.
        """
        if self.message_log is not None:
            self.message_log.start()
        try:
            async with trio.open_nursery() as self._nursery:
                if self.message_log is not None:
                    self._nursery.start_soon(self.message_log.run)
                task_status.started()
                await self._ended.wait()
                await self._root.stop("the runtime stopped")
                self._nursery.cancel_scope.cancel()  # restarts that wait for their time: nobody is left to restart
        finally:
            self.stopping = True
            self._nursery = None
            for cell in tuple(self._cells.values()):
                cell.bury("the runtime stopped")
            self.hand_over_messages()
            self._stopped.set()
        if self._failure is not None:
            raise self._failure

    async def spawn(
        self,
        kind: type[A],
        *args: Any,
        name: str | None = None,
        restart: Restart | None = None,
        supervisor: SupervisorRef | None = None,
        concurrency: int = 1,
        mailbox_capacity: int | None = None,
        overflow: str = "wait",
        **kwargs: Any,
    ) -> Ref[A]:
        """Start an actor and wait for its first `setup`.

        Args:
            kind: The actor's class.
            args: For its constructor, at each restart again.
            kwargs: The same, by name.
            name: Unique among live actors; made from the class if left out.
            restart: Its own settings; its supervisor's if left out.
            supervisor: Who watches it; the root if left out.
            concurrency: Handlers that may run side by side.
            mailbox_capacity: Messages that may wait.
            overflow: What a full mailbox does to senders: `wait` or `refuse`.

        Raises:
            ActorCrashed: Its first `setup` failed.
            ActorStopped: It, or its supervisor, was stopped before it began.
            NameTaken: A live actor has that name.
            NotRunning: The system does not run.
            ValueError: `overflow`, `concurrency` or `mailbox_capacity` is not allowed.
        """
        if overflow not in ("wait", "refuse"):
            raise ValueError(f"overflow={overflow!r}: give 'wait' or 'refuse'")
        if concurrency < 1:
            raise ValueError(f"concurrency={concurrency}: give 1 or more")
        capacity = self.mailbox_capacity if mailbox_capacity is None else mailbox_capacity
        if capacity < 1:
            raise ValueError(f"mailbox_capacity={capacity}: give 1 or more")
        parent = self._admitting(supervisor)
        spec = Spec(
            kind=kind,
            args=args,
            kwargs=kwargs,
            name=self._take_name(name, kind.__name__),
            restart=restart,
            concurrency=concurrency,
            capacity=capacity,
            refuses=overflow == "refuse",
        )
        cell = Cell(spec, self, parent)
        self._cells[spec.name] = cell
        parent.children[cell] = None
        try:
            await cell.begin(first=True)
        except BaseException as error:
            cell.bury(f"it did not start: {type(error).__name__}")
            raise
        if cell.state == "stopped":
            raise ActorStopped(cell.name, cell.stop_reason)
        return Ref(cell)

    async def supervisor(self, name: str, restart: Restart, parent: SupervisorRef | None = None) -> SupervisorRef:
        """Start a supervisor under `parent`, or under the root.

        Raises:
            ActorStopped: `parent` was stopped.
            NameTaken: A live actor or supervisor has that name.
            NotRunning: The system stops.
        """
        above = self._admitting(parent)
        supervisor = Supervisor(self._take_name(name, name), restart, self, above)
        above.children[supervisor] = None
        await trio.lowlevel.checkpoint()
        return SupervisorRef(supervisor)

    # Draining and stopping

    def close_admission(self, refusal: Callable[[], Exception]) -> None:
        """Refuse new messages and actors with what `refusal` makes, and mark what is in flight.

        Handlers at work may still send what they need to finish.
        """
        if self.refusal is None:
            self.ledger.mark({cell.name: cell.count.in_flight for cell in self._cells.values()})
        self.refusal = refusal
        for cell in self._cells.values():
            cell.mailbox.wake_senders()

    async def wait_idle(self) -> None:
        """Wait until no message is in flight."""
        await self.ledger.wait_idle()

    def cancel_in_flight(self, why: str = "the drain's deadline came") -> None:
        """Cancel every message, queued or running."""
        for cell in self._cells.values():
            cell.cancel_all(why)

    async def stop(self) -> None:
        """Stop every actor, the last one started first; then `run` returns. Goes on where the caller is cancelled."""
        self.stopping = True
        self._ended.set()
        if self._nursery is not None:
            await self._stopped.wait()

    async def stop_actor(self, cell: Cell) -> None:
        """Stop one actor for good."""
        await cell.stop("it was stopped")
        await trio.lowlevel.checkpoint()

    @property
    def actors(self) -> tuple[ActorInfo, ...]:
        """What is known of each live actor now."""
        return tuple(cell.info for cell in tuple(self._cells.values()))  # may be read off the Trio thread

    def each_count(self) -> Iterator[ActorCounts]:
        """Yield what is counted of each live actor, read when it is asked for."""
        yield from (cell.counts for cell in tuple(self._cells.values()))

    # For cells and supervisors

    def start_soon(self, function: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Run supervision's own work; nothing once the system has ended."""
        if self._nursery is not None:
            self._nursery.start_soon(function, *args)

    async def host(self, live: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Run one life in the system's nursery, and return once it has started or failed."""
        await self._running.start(live, *args)

    async def see_through(self, function: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Wait for a piece of supervision's work, which goes on where the caller is cancelled."""
        done = trio.Event()

        async def work() -> None:
            await function(*args)
            done.set()

        if self._nursery is None:
            await trio.lowlevel.checkpoint()
            return
        self._nursery.start_soon(work)
        await done.wait()

    def fail(self, limit: RestartLimit) -> None:
        """End the system: the root supervisor has given up."""
        self._failure = self._failure or limit
        self.stopping = True
        self._ended.set()

    def forget(self, cell: Cell) -> None:
        """Drop an actor that has stopped for good."""
        self._cells.pop(cell.name, None)
        self._names.discard(cell.name)

    def forget_name(self, name: str) -> None:
        """Let a stopped supervisor's name be used again."""
        self._names.discard(name)

    def tell_life(self, whose: Cell | Supervisor, what: str, error: BaseException | None = None) -> None:
        """Log and record one turn in the life of an actor, or of a supervisor."""
        why = f"{type(error).__name__}: {error}" if error is not None else ""
        if error is not None:
            self._log.warning("actor crashed", actor=whose.name, error=why)
        if self.on_record is not None:
            self.tell(ActorEvent(actor=whose.name, what=what, at_s=trio.current_time(), error=why))

    def tell_teardown(self, cell: Cell, error: Exception) -> None:
        """Log that an actor's `teardown` failed, or ran out of time."""
        self._log.warning("teardown failed", actor=cell.name, error=f"{type(error).__name__}: {error}")

    def tell_escalation(self, supervisor: Supervisor, limit: RestartLimit) -> None:
        """Log and record that a supervisor gave up."""
        self._log.error("supervisor gave up", supervisor=supervisor.name, error=str(limit))
        self.tell(ActorEvent(actor=supervisor.name, what="escalated", at_s=trio.current_time(), error=str(limit)))

    def tell(self, record: ActorEvent) -> None:
        """Hand a record to the hook."""
        if self.on_record is not None:
            try:
                self.on_record(record)
            except Exception:
                self._log.exception("a hook raised, and was ignored", record=type(record).__name__)

    def hand_over_messages(self) -> None:
        """Tell of the messages whose ends were not told yet; on any thread."""
        if self.message_log is not None:
            self.message_log.hand_over()

    @property
    def _running(self) -> trio.Nursery:
        if self._nursery is None:
            raise NotRunning("stopped" if self._ended.is_set() else "created")
        return self._nursery

    def _check_admission(self) -> None:
        if self.refusal is not None and not turns_at_work():
            raise self.refusal()
        if self.stopping:
            raise NotRunning("stopping")

    def _admitting(self, supervisor: SupervisorRef | None) -> Supervisor:
        """Return whom a new actor or supervisor goes under, if one may be started there now."""
        self._check_admission()
        above = supervisor._supervisor if supervisor is not None else self._root
        if not above.admits:
            raise ActorStopped(above.name)
        return above

    def free_name(self, stem: str) -> str:
        """Return a name that nobody has: `stem`, or with a number."""
        numbers = self._numbers.setdefault(stem, itertools.count(1))
        return next(free for n in numbers if (free := f"{stem}-{n}") not in self._names)

    def _take_name(self, name: str | None, kind: str) -> str:
        if name is None:
            name = self.free_name(kind.lower())
        elif name in self._names:
            raise NameTaken(name)
        self._names.add(name)
        return name
