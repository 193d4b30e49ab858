"""One actor as the system sees it: its mailbox and accounts last, its lives come and go."""

from __future__ import annotations

import contextvars
import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import outcome
import trio

from rkruntime.actors._actor import Actor, StopActor
from rkruntime.actors._ledger import Count
from rkruntime.actors._mailbox import DONE, QUEUED, RUNNING, Envelope, Mailbox
from rkruntime.actors._records import ActorInfo, MessageDone
from rkruntime.actors._restart import Restart
from rkruntime.actors._stepping import run_in_context
from rkruntime.errors import ActorCrashed, ActorStopped, DeadlineExceeded, MessageCancelled

if TYPE_CHECKING:
    from rkruntime.actors._supervisor import Supervisor
    from rkruntime.actors._system import ActorSystem

__all__ = ("HANDLING", "Cell", "Spec")

FAIR_TURNS = 32
"""Messages that a server handles before it gives other tasks a turn."""

HANDLING: contextvars.ContextVar[tuple[Cell, ...]] = contextvars.ContextVar("rkruntime_handling", default=())
"""The actors whose handlers led here, the nearest last."""


@attrs.frozen(kw_only=True, eq=False)
class Spec:
    """How an actor was asked for."""

    kind: type[Actor]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    name: str
    restart: Restart | None
    concurrency: int
    capacity: int
    refuses: bool


class Crash(Exception):
    """Carries what a handler raised from where it raised to the end of the life."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


class Cell:
    """An actor's lasting part.

    Args:
        spec: How it was asked for.
        system: Whose actor it is.
        supervisor: Who hears of its ends.
    """

    def __init__(self, spec: Spec, system: ActorSystem, supervisor: Supervisor) -> None:
        self.spec = spec
        self.name = spec.name
        self.system = system
        self.supervisor = supervisor
        self.mailbox = Mailbox(spec.capacity)
        self.count = Count()
        self.running: set[Envelope] = set()
        self.restarts_s: tuple[float, ...] = ()
        self.restarts = 0
        self.state = "starting"
        self.last_error: BaseException | None = None
        self._methods: dict[Callable[..., Any], Callable[..., Any]] = {}
        self._instance: Actor | None = None
        self._memory: Any = None
        self._scope: trio.CancelScope | None = None
        self._over: trio.Event | None = None
        self._halting = ""

    @property
    def restart(self) -> Restart:
        """The settings in force: its own, or its supervisor's."""
        return self.spec.restart or self.supervisor.restart

    @property
    def info(self) -> ActorInfo:
        """What is known of it now."""
        error = self.last_error
        return ActorInfo(
            name=self.name,
            kind=self.spec.kind,
            state=self.state,
            mailbox_depth=self.mailbox.depth,
            in_flight=self.count.in_flight,
            restarts=self.restarts,
            messages=self.count.ended,
            memory_bytes=int(getattr(self._memory, "bytes", 0)),
            last_error=f"{type(error).__name__}: {error}" if error is not None else "",
        )

    def method(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return what a message to `method` calls: the actor's own class may override it.

        Raises:
            TypeError: It is no async method of the actor.
        """
        found: Any = getattr(self.spec.kind, getattr(method, "__name__", ""), None)
        if not inspect.iscoroutinefunction(found):
            kind = self.spec.kind.__name__
            raise TypeError(f"{method!r} is no message of {kind}: give one of its async methods, such as {kind}.setup")
        self._methods[method] = found
        return found  # type: ignore[no-any-return]

    # A life

    async def live(self, first: bool = False, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Live once: from a new instance to its end, and tell the supervisor how it ended.

        Args:
            first: Raise what the first `setup` raises, instead of telling the supervisor.
            task_status: Started once messages are served, or once this life has failed.
        """
        self._over = trio.Event()
        self._halting = ""
        error: BaseException | None = None
        served = False
        try:
            with trio.CancelScope() as self._scope:
                try:
                    await self._begin()
                    served = True
                    self.system.tell_life(self, "restarted" if self.restarts else "started")
                    task_status.started()
                    await self._serve()
                except StopActor:
                    pass
                except Exception as raised:
                    error = _cause(raised)
                    if isinstance(error, StopActor):
                        error = None
        finally:
            await self._end()
        self._after(error, served, first)
        if not served and not (first and error is not None):
            task_status.started()

    async def _begin(self) -> None:
        spec = self.spec
        self._memory = self.system.memory_for(spec.name)
        instance = spec.kind(*spec.args, **spec.kwargs)
        instance.name = spec.name
        instance.memory = self._memory
        self.system.prepare(instance)
        self._instance = instance
        await instance.setup()
        self.state = "running"

    async def _end(self) -> None:
        """Clean up after a life, under a deadline, and let go of its memory."""
        self.state = "stopping"
        instance, self._instance = self._instance, None
        if instance is not None:
            with trio.move_on_after(self.system.cleanup_timeout, shield=True):
                try:
                    await instance.teardown()
                except Exception as error:
                    self.last_error = error
        if hasattr(self._memory, "free_all"):
            self._memory.free_all()
        self._memory = None
        if self._over is not None:
            self._over.set()

    def _after(self, error: BaseException | None, served: bool, first: bool) -> None:
        if error is not None:
            self.last_error = error
            self.system.tell_life(self, "crashed", error)
        if first and error is not None and not served:
            self.bury(f"its setup failed: {error}")
            raise ActorCrashed(self.name, "setup", f"{type(error).__name__}: {error}") from error
        if not self._halting:
            self.supervisor.child_ended(self, error)

    async def begin(self) -> None:
        """Live again."""
        await self.system.begin(self)

    async def halt(self, why: str) -> None:
        """End the life at hand, and wait for its end; its mailbox stays."""
        self._halting = why
        if self._scope is not None and self._over is not None and not self._over.is_set():
            self._scope.cancel()
            await self._over.wait()

    async def stop(self, why: str) -> None:
        """End for good."""
        await self.halt(why)
        self.bury(why)

    def bury(self, why: str) -> None:
        """Forget the actor: whoever waits for it hears why."""
        if self.state == "stopped":
            return
        self.state = "stopped"
        for envelope in self.mailbox.take_all():
            self._settle(envelope, "cancelled", ActorStopped(self.name, why))
        self.mailbox.wake_senders()
        self.supervisor.forget(self)
        self.system.forget(self)
        self.system.tell_life(self, "stopped")

    # Messages

    async def _serve(self) -> None:
        if self.spec.concurrency == 1:
            await self._serve_one()
            return
        async with trio.open_nursery() as nursery:
            for _ in range(self.spec.concurrency):
                nursery.start_soon(self._serve_one)

    async def _serve_one(self) -> None:
        """Serve messages in turn, all in one cancel scope for as long as nobody cancels it."""
        while True:
            with trio.CancelScope() as scope:
                await self._serve_in(scope)

    async def _serve_in(self, scope: trio.CancelScope) -> None:
        """Serve messages until `scope` is cancelled: a scope serves again only while no message has cancelled it."""
        turns = 0
        take, wait = self.mailbox.take, self.mailbox.wait_for_message
        while not scope.cancel_called:
            envelope = take()
            if envelope is None:
                turns = 0
                await wait()
                continue
            turns += 1
            if turns % FAIR_TURNS == 0:
                await trio.lowlevel.cancel_shielded_checkpoint()
            deadline_s = envelope.deadline_s
            if deadline_s != math.inf and deadline_s <= trio.current_time():
                self.expire(envelope)
                continue
            if deadline_s != scope.deadline:
                scope.deadline = deadline_s
            envelope.scope = scope
            await self._handle(envelope)

    async def _handle(self, envelope: Envelope) -> None:
        """Run one message's handler, and see that it is answered and counted, however it ends."""
        instance = self._instance
        assert instance is not None
        envelope.state = RUNNING
        self.running.add(envelope)
        if self.system.on_record is not None:
            envelope.started_s = trio.current_time()
        try:
            result = await run_in_context(envelope.context, _call, envelope, instance)
        except StopActor:
            self._settle(envelope, "completed", None)
            raise
        except instance.passes as error:
            self._settle(envelope, "failed", error)
        except Exception as error:
            self._settle(envelope, "failed", self._crashed(envelope, error))
            raise Crash(error) from None
        except trio.Cancelled:
            self._settle(envelope, "cancelled", self._cancelled(envelope))
            raise
        except BaseException as error:
            why = ActorStopped(self.name, f"it ended by {type(error).__name__}")
            self._settle(envelope, "failed", why)
            raise
        else:
            self._settle(envelope, "completed", None, result)

    def _crashed(self, envelope: Envelope, error: Exception) -> ActorCrashed:
        crash = ActorCrashed(self.name, envelope.name, f"{type(error).__name__}: {error}")
        crash.__cause__ = error
        return crash

    def _cancelled(self, envelope: Envelope) -> Exception:
        if self._halting:
            return ActorStopped(self.name, self._halting)
        if envelope.stop_reason:
            return MessageCancelled(self.name, envelope.name, envelope.stop_reason)
        if envelope.deadline_s <= trio.current_time():
            return DeadlineExceeded(self.name, envelope.name, envelope.deadline_s)
        return MessageCancelled(self.name, envelope.name, "its caller was cancelled")

    def cancel(self, envelope: Envelope, why: str) -> None:
        """Cancel a message, queued or running."""
        envelope.stop_reason = envelope.stop_reason or why
        if envelope.state is QUEUED:
            self.mailbox.withdraw(envelope)
            self._settle(envelope, "cancelled", self._cancelled(envelope))
        elif envelope.state is RUNNING and envelope.scope is not None:
            envelope.scope.cancel()

    def cancel_all(self, why: str) -> None:
        """Cancel every message, queued or running."""
        for envelope in self.mailbox.take_all():
            envelope.stop_reason = why
            self._settle(envelope, "cancelled", self._cancelled(envelope))
        for envelope in tuple(self.running):
            self.cancel(envelope, why)

    def expire(self, envelope: Envelope) -> None:
        """Answer a message whose deadline passed before its handler began."""
        self._settle(envelope, "cancelled", DeadlineExceeded(self.name, envelope.name, envelope.deadline_s))

    def _settle(self, envelope: Envelope, how: str, error: BaseException | None, result: Any = None) -> None:
        """Answer whoever waits, and count how the message ended."""
        envelope.state = DONE
        self.running.discard(envelope)
        waiter, envelope.waiter = envelope.waiter, None
        if waiter is not None:
            trio.lowlevel.reschedule(waiter, outcome.Value(result) if error is None else outcome.Error(error))
        elif how == "failed":
            self.last_error = error
        self.system.ledger.finish(self, envelope, how)
        if self.system.on_record is not None:
            self._tell_done(envelope, how)

    def _tell_done(self, envelope: Envelope, how: str) -> None:
        now_s = trio.current_time()
        started_s = envelope.started_s or now_s
        self.system.tell(
            MessageDone(
                actor=self.name,
                message=envelope.name,
                outcome=how,
                waited_s=started_s - envelope.accepted_s,
                ran_s=now_s - started_s,
            )
        )


def _call(envelope: Envelope, instance: Actor) -> Any:
    """Begin a handler, inside its message's context."""
    HANDLING.set(envelope.handling)
    return envelope.method(instance, *envelope.args, **envelope.kwargs)


def _cause(raised: BaseException) -> BaseException:
    """Return what the actor's own code raised, out of the groups and wrappers that carried it here."""
    while True:
        if isinstance(raised, Crash):
            return raised.error
        if not isinstance(raised, BaseExceptionGroup):
            return raised
        crashes = [error for error in raised.exceptions if isinstance(error, Crash)]
        if not crashes and len(raised.exceptions) > 1:
            return raised
        raised = crashes[0] if crashes else raised.exceptions[0]
