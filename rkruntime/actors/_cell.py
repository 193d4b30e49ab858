"""One actor as the system sees it: its mailbox and accounts last, its lives come and go."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import outcome
import trio

from rkruntime.actors._actor import Actor, StopActor
from rkruntime.actors._crash import Crash, Misfit, cause_of, only_cancelled, without_cancelled
from rkruntime.actors._ledger import Count
from rkruntime.actors._mailbox import DONE, QUEUED, RUNNING, Envelope, Mailbox
from rkruntime.actors._records import ActorCounts, ActorInfo
from rkruntime.actors._spec import Spec
from rkruntime.actors._stepping import run_in_context
from rkruntime.actors._turn import TURNS, Turn
from rkruntime.context import TRACE, follow_nobody
from rkruntime.errors import ActorCrashed, ActorStopped, DeadlineExceeded, MessageCancelled

if TYPE_CHECKING:
    from rkruntime.actors._supervisor import Supervisor
    from rkruntime.actors._system import ActorSystem

__all__ = ("Cell",)

FAIR_TURNS = 32
"""Messages that a server handles before it gives other tasks a turn."""


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
        self.own_restart = spec.restart
        self.system = system
        self.supervisor = supervisor
        self.mailbox = Mailbox(spec.capacity)
        self.count = Count()
        self.running: set[Envelope] = set()
        self.restarts_s: tuple[float, ...] = ()
        self.restarts = 0
        self.state = "starting"
        self.last_error: BaseException | None = None
        self.stop_reason = ""
        self._methods: dict[Callable[..., Any], Callable[..., Any]] = {}
        self._instance: Actor | None = None
        self._memory: Any = None
        self._scope = trio.CancelScope()
        self._over: trio.Event | None = None
        self._ending = ""
        self._halted = False

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
            memory_bytes=self._memory_bytes,
            last_error=f"{type(error).__name__}: {error}" if error is not None else "",
        )

    @property
    def counts(self) -> ActorCounts:
        """What is counted of it now: the numbers of `info`, which a scrape reads of every actor."""
        count = self.count
        depth = self.mailbox.depth
        return ActorCounts(self.name, count.ended, self.restarts, self._memory_bytes, depth, count.in_flight)

    @property
    def _memory_bytes(self) -> int:
        return int(getattr(self._memory, "bytes", 0))

    def method(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Return what a message to `method` calls: the actor's own class may override it.

        Raises:
            TypeError: It is no async method of the actor.
        """
        kind, name = self.spec.kind, getattr(method, "__name__", "")
        found: Any = getattr(kind, name, None)
        known = any(vars(base).get(name) is method for base in kind.__mro__)
        if not known or not inspect.iscoroutinefunction(found):
            raise TypeError(
                f"{method!r} is no message of {kind.__name__}: give one of its async methods, such as "
                f"{kind.__name__}.setup"
            )
        self._methods[method] = found
        return found  # type: ignore[no-any-return]

    # A life

    @property
    def lives(self) -> bool:
        """Whether a life is at hand, from before its start to the end of its clean-up."""
        return self._over is not None and not self._over.is_set()

    async def begin(self, first: bool = False) -> None:
        """Live, once more or for the first time, and return when messages are served or this life has failed.

        Args:
            first: Raise what `setup` raises, instead of telling the supervisor.
        """
        if self.lives or self.stop_reason:
            return
        self._scope, self._over = trio.CancelScope(), trio.Event()
        self._ending, self._halted = "", False
        self.state = "starting"
        try:
            await self.system.host(self._live, self._over, first)
        except BaseException:
            self._over.set()
            raise

    async def _live(self, over: trio.Event, first: bool, *, task_status: trio.TaskStatus[None]) -> None:
        """Live once: from a new instance to its end, and tell the supervisor how it ended."""
        error: BaseException | None = None
        served = False
        if not first:
            follow_nobody()
        try:
            with self._scope:
                await self._set_up()
                served = True
                follow_nobody()  # whoever spawned it has stopped waiting for it
                task_status.started()
                await self._serve()
        except Exception as raised:  # outside the scope, which takes out what its own cancellation raised beside it
            error = cause_of(raised)
        except BaseExceptionGroup as raised:
            self.last_error = without_cancelled(raised)
            raise only_cancelled(raised) from None
        finally:
            try:
                await self._clean_up()
            finally:
                over.set()
        self._after(error, served, first)
        if not served:
            task_status.started()

    async def _set_up(self) -> None:
        spec = self.spec
        self._memory = self.system.memory_for(spec.name)
        instance = spec.kind(*spec.args, **spec.kwargs)
        instance.name = spec.name
        instance.memory = self._memory
        self.system.prepare(instance)
        self._instance = instance
        await instance.setup()
        self.state = "running"
        self.system.tell_life(self, "restarted" if self.restarts else "started")

    async def _clean_up(self) -> None:
        """Clean up after a life, under a deadline, and let go of its memory."""
        self.state = "stopping"
        instance, self._instance = self._instance, None
        try:
            if instance is not None:
                await self._tear_down(instance)
        finally:
            memory, self._memory = self._memory, None
            if hasattr(memory, "free_all"):
                memory.free_all()

    async def _tear_down(self, instance: Actor) -> None:
        timeout_s = self.system.cleanup_timeout
        with trio.move_on_after(timeout_s, shield=True) as bounded:
            try:
                await instance.teardown()
            except Exception as error:
                self.last_error = error
                self.system.tell_teardown(self, error)
        if bounded.cancelled_caught:
            self.last_error = DeadlineExceeded(self.name, "teardown", timeout_s)
            self.system.tell_teardown(self, self.last_error)

    def _after(self, error: BaseException | None, served: bool, first: bool) -> None:
        if error is not None:
            self.last_error = error
            self.system.tell_life(self, "crashed", error)
        if first and error is not None and not served:
            self.bury(f"its setup failed: {error}")
            raise ActorCrashed(self.name, "setup", f"{type(error).__name__}: {error}") from error
        if self.stop_reason:
            self.bury(self.stop_reason)
        elif not self._halted:
            self.supervisor.child_ended(self, error)

    async def halt(self, why: str) -> None:
        """End the life at hand, and wait for its end; its mailbox stays."""
        if self.lives and self._over is not None:
            self._ending = self._ending or why
            self._halted = True
            self.mailbox.dismiss_servers()
            if self.running or self.state != "running":
                self._scope.cancel()
            await self._over.wait()

    async def stop(self, why: str) -> None:
        """End for good, also where the caller is cancelled while it waits."""
        self.stop_reason = self.stop_reason or why
        await self.halt(why)
        self.bury(why)

    def bury(self, why: str) -> None:
        """Forget the actor: whoever waits for it hears why."""
        if self.state == "stopped":
            return
        self.state = "stopped"
        self.stop_reason = self.stop_reason or why
        for envelope in self.mailbox.take_all():
            self._settle(envelope, "cancelled", ActorStopped(self.name, why))
        self.mailbox.wake_senders()
        self.supervisor.forget(self)
        self.system.forget(self)
        self.system.tell_life(self, "stopped")

    # Messages

    async def _serve(self) -> None:
        if self.spec.concurrency == 1:
            await self._serve_one(0)
            return
        async with trio.open_nursery() as nursery:
            for slot in range(self.spec.concurrency):
                nursery.start_soon(self._serve_one, slot)

    async def _serve_one(self, slot: int) -> None:
        """Serve messages in turn, all in one cancel scope for as long as nobody cancels it, until this life ends."""
        while not self._ending:
            with trio.CancelScope() as scope:
                await self._serve_in(scope, slot)

    async def _serve_in(self, scope: trio.CancelScope, slot: int) -> None:
        """Serve messages until `scope` is cancelled: a scope serves again only while no message has cancelled it.

        Nothing may wait between taking a message and handling it: until then it counts as one that waits.
        """
        turns = 0
        until_s = math.inf  # the deadline that the scope has
        take, wait = self.mailbox.take, self.mailbox.wait_for_message
        while not self._ending:
            if until_s != math.inf and scope.cancel_called:  # which asks the clock
                return
            if turns == FAIR_TURNS:
                turns = 0
                await trio.lowlevel.checkpoint()
                continue
            envelope = take()
            if envelope is None:
                turns = 0
                await wait()
                continue
            turns += 1
            deadline_s = envelope.deadline_s
            if deadline_s != math.inf and deadline_s <= trio.current_time():
                self._settle(envelope, "cancelled", self._too_late(envelope))
                continue
            if deadline_s != until_s:
                scope.deadline = until_s = deadline_s
            envelope.scope = scope
            await self._handle(envelope, slot)
            if envelope.stop_reason:  # it was cancelled, and its handler ended all the same
                return

    async def _handle(self, envelope: Envelope, slot: int) -> None:
        """Run one message's handler, and see that it is answered and counted, however it ends."""
        instance = self._instance
        assert instance is not None
        envelope.state = RUNNING
        self.running.add(envelope)
        turn = Turn(self, slot)
        log = self.system.message_log
        if log is not None:
            envelope.started_s = log.now()
            envelope.slot = slot
            own = envelope.context.get(TRACE)
            if own is not None:
                own = own.child() if own.sampled else own
            elif not envelope.above:  # what a handler asks for is part of its own work
                own = log.begin_trace()
            if own is not None:
                envelope.trace = own
                envelope.context.run(TRACE.set, own)
        try:
            result = await run_in_context(envelope.context, self.mailbox.wake_server, _call, envelope, instance, turn)
        except StopActor:
            self._ending = self._ending or "it ended itself"
            self._settle(envelope, "completed", None)
            raise
        except Misfit as misfit:
            self._settle(envelope, "failed", misfit.error)
        except instance.passes as error:
            self._settle(envelope, "failed", error)
        except Exception as error:
            self._crash(envelope, error)
            raise Crash(error) from None
        except BaseException as raised:
            self._break_off(envelope, raised)
            raise
        else:
            self._settle(envelope, "completed", None, result)
        finally:
            turn.over = True

    def _crash(self, envelope: Envelope, error: Exception) -> None:
        """Answer the message that crashed the actor; the life ends, with what else runs in it."""
        self._ending = self._ending or f"{envelope.name} crashed the actor beside it"
        crash = ActorCrashed(self.name, envelope.name, f"{type(error).__name__}: {error}")
        crash.__cause__ = error
        self._settle(envelope, "failed", crash)

    def _break_off(self, envelope: Envelope, raised: BaseException) -> None:
        """Answer a message whose handler was cancelled, or left by what no actor may catch."""
        error = without_cancelled(raised)
        if error is None:
            self._settle(envelope, "cancelled", self._cancelled(envelope))
        elif isinstance(error, Exception):
            self._crash(envelope, error)
        else:
            self._settle(envelope, "failed", ActorStopped(self.name, f"it ended by {type(error).__name__}"))

    def _cancelled(self, envelope: Envelope) -> Exception:
        if self.stop_reason:
            return ActorStopped(self.name, self.stop_reason)
        if not envelope.stop_reason and envelope.deadline_s <= trio.current_time():
            return self._too_late(envelope)
        return MessageCancelled(
            self.name, envelope.name, envelope.stop_reason or self._ending or "the runtime was cancelled"
        )

    def _too_late(self, envelope: Envelope) -> DeadlineExceeded:
        return DeadlineExceeded(self.name, envelope.name, envelope.deadline_s - envelope.accepted_s)

    def cancel(self, envelope: Envelope, why: str) -> None:
        """Cancel a message, queued or running."""
        envelope.stop_reason = envelope.stop_reason or why or "somebody cancelled it"
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

    def _settle(self, envelope: Envelope, how: str, error: BaseException | None, result: Any = None) -> None:
        """Answer whoever waits, and count how the message ended."""
        envelope.state = DONE
        self.running.discard(envelope)
        answer, envelope.answer = envelope.answer, None
        if answer is not None:
            answer(outcome.Value(result) if error is None else outcome.Error(error))
        elif how == "failed":
            self.last_error = error
        self.system.ledger.finish(self, envelope, how)
        log = self.system.message_log
        if log is None:
            return
        if how == "completed" and not log.whole and (envelope.trace is None or not envelope.trace.sampled):
            counted = log.counted
            counted += (envelope.came_s, envelope.started_s, log.now())
            if len(counted) >= log.most_counted:
                log.hand_over()
        else:
            log.take(envelope, self.name, how)


def _call(envelope: Envelope, instance: Actor, turn: Turn) -> Any:
    """Begin a handler, inside its message's context."""
    TURNS.set((*envelope.above, turn))
    try:
        return envelope.method(instance, *envelope.args, **envelope.kwargs)
    except TypeError as error:  # an async function's own code has not begun: its arguments do not fit
        raise Misfit(error.with_traceback(None)) from None
