"""The runtime: starts, admits, drains, releases. What it decides stands in `_lifecycle` and `_drain`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, overload

import numpy.typing as npt
import trio

from rkruntime import actors
from rkruntime.actors import ActorCounts, ActorInfo, Ref, Restart, SupervisorRef
from rkruntime.config import RuntimeConfig
from rkruntime.device import Device, HostArray
from rkruntime.errors import AlreadyStarted, InvalidConfiguration, NotRunning
from rkruntime.log import get_logger
from rkruntime.memory import DeviceArray, KernelMemoryManager, OwnedMemory
from rkruntime.runtime._canary import sing
from rkruntime.runtime._control import controlled
from rkruntime.runtime._drain import DrainLimits
from rkruntime.runtime._health import check_health
from rkruntime.runtime._hooks import Hook, Hooks
from rkruntime.runtime._kernel_actor import KernelRef
from rkruntime.runtime._lifecycle import State, is_live, is_ready
from rkruntime.runtime._parts import Parts
from rkruntime.runtime._records import Check, DrainProgress, DrainReport, Health, Transition
from rkruntime.runtime._shutdown import Shutdown
from rkruntime.runtime._signals import watch_signals
from rkruntime.runtime._single import is_cancellation, single
from rkruntime.runtime._states import Lifecycle

__all__ = ("Runtime",)

A = TypeVar("A", bound=actors.Actor)
OPEN_DEVICE = "an open device, of rkruntime.device.open_device; a device's name goes to RuntimeConfig(device=...)"


class Runtime:
    """Kernels and actors on one device, from start to drain.

    Use `open_runtime`, or `await nursery.start(runtime.run)` and then `await runtime.shutdown()`.

    Args:
        config: Settings; the defaults if left out.
        device: An open device to use in place of the configured one; it then belongs to the runtime.
        hooks: Each is called with every record (transitions, actors' lives, messages, launches, memory pressure, the
            drain's report) as it happens; with the runtime first, where it has `attach`.
        instance: The name under which `rustkernel runtime status` and `drain` find it, over a Unix socket that is
            this user's alone, unless `config.socket_role_map` gives others a role; `auto` for `default` or, where that
            is taken, `pid-` with the process's number. With None there is no socket.

    Raises:
        InvalidConfiguration: `device` is no open device, but its name, say.
    """

    report: DrainReport | None = None
    """How the shutdown ended; None before it."""
    instance: str | None = None
    """The name that its control socket has; None before it has one."""

    def __init__(
        self,
        config: RuntimeConfig | None = None,
        *,
        device: Device | None = None,
        hooks: Sequence[Hook] = (),
        instance: str | None = None,
    ) -> None:
        if device is not None and not hasattr(device, "compile"):
            raise InvalidConfiguration("device", device, OPEN_DEVICE)
        self.config = config or RuntimeConfig()
        self._given_device = device
        self._wanted_instance = instance
        self._hooks = Hooks(hooks)
        self._log = get_logger("rkruntime.runtime")
        self._lifecycle = Lifecycle(self._tell)
        self._shutdown = Shutdown(
            DrainLimits(
                grace_s=self.config.drain_grace,
                timeout_s=self.config.shutdown_timeout,
                cleanup_s=self.config.cleanup_timeout,
            )
        )
        self._parts: Parts | None = None
        self._checks: tuple[Check, ...] = ()
        self._checked_s: float | None = None
        self._hooks.attach(self)

    @property
    def state(self) -> State:
        """Where the lifecycle stands."""
        return self._lifecycle.state

    @property
    def since_s(self) -> float:
        """When it entered its state, by Trio's clock."""
        return self._lifecycle.since_s

    @property
    def is_open(self) -> bool:
        """Whether its device and memory are there."""
        return self._parts is not None

    @property
    def admits(self) -> bool:
        """Whether new messages are taken now; any thread may read it."""
        parts = self._parts
        state = self._lifecycle.state
        if parts is None or (state is not State.RUNNING and state is not State.DRAINING):
            return False
        return parts.system.refusal is None

    @property
    def health(self) -> Health:
        """What probes see; reading it does no work."""
        return Health(
            state=self.state,
            live=is_live(self.state),
            ready=is_ready(self.state),
            checks=self._checks,
            checked_s=self._checked_s,
        )

    @property
    def drain_progress(self) -> DrainProgress | None:
        """How far the drain is; None while there is none."""
        if self._parts is None or self.state is not State.DRAINING:
            return None
        began, left = self._parts.system.ledger.progress()
        return DrainProgress(began_in_flight=began, in_flight=left, deadline_s=self._shutdown.deadline_s)

    @property
    def device(self) -> Device:
        """The open device."""
        return self._running.device

    @property
    def memory(self) -> KernelMemoryManager:
        """The memory manager: pools, pressure, accounts."""
        return self._running.memory

    @property
    def actors(self) -> tuple[ActorInfo, ...]:
        """The live actors: name, state, mailbox depth, restarts, messages, memory held, last error."""
        return self._parts.system.actors if self._parts is not None else ()

    def each_count(self) -> Iterator[ActorCounts]:
        """Yield what is counted of each live actor, read when it is asked for: a thousand `actors` take 4 ms."""
        if self._parts is not None:
            yield from self._parts.system.each_count()

    async def wait_for(self, state: State) -> None:
        """Wait until the lifecycle is in `state`.

        Raises:
            UnreachableState: It will not come there any more.
        """
        await self._lifecycle.wait_for(state)

    @overload
    async def spawn(self, target: type[A], *args: Any, **options: Any) -> Ref[A]: ...
    @overload
    async def spawn(self, target: Any, **options: Any) -> KernelRef: ...
    async def spawn(
        self,
        target: Any,
        *args: Any,
        name: str | None = None,
        restart: Restart | None = None,
        supervisor: SupervisorRef | None = None,
        concurrency: int = 1,
        mailbox_capacity: int | None = None,
        overflow: str = "wait",
        **kwargs: Any,
    ) -> Any:
        """Start an actor, or a kernel as an actor with one message.

        Args:
            target: An `Actor` class; or a `@rk.kernel`, a `@cuda.jit` dispatcher or a plain function.
            args: For the actor's constructor, which is called again at each restart.
            kwargs: The same, by name.
            name: Unique among live actors; made from the class or kernel if left out.
            restart: How often and when it is restarted; the supervisor's if left out.
            supervisor: Who watches it; the root supervisor if left out.
            concurrency: Handlers that may run side by side.
            mailbox_capacity: Messages that may wait; the configured `mailbox_capacity` if left out.
            overflow: What a full mailbox does: `wait` or `refuse`.

        Raises:
            NotRunning: The runtime takes no work.
            Draining: It finishes what it has, and takes nothing new.
            InstanceLimit: One kernel actor more than `max_kernel_instances`.
            MemoryPressure: No new kernel actors at this pressure level.
            NameTaken: A live actor has that name.
            ActorCrashed: Its first `setup` failed.
        """
        options: dict[str, Any] = {
            "name": name,
            "restart": restart,
            "supervisor": supervisor,
            "concurrency": concurrency,
            "mailbox_capacity": mailbox_capacity,
            "overflow": overflow,
        }
        parts = self._running
        if isinstance(target, type) and issubclass(target, actors.Actor):
            return await parts.system.spawn(target, *args, **options, **kwargs)
        return await parts.spawn_kernel(target, options)

    async def supervisor(self, name: str, restart: Restart, parent: SupervisorRef | None = None) -> SupervisorRef:
        """Start a supervisor; give it to `spawn(..., supervisor=)`."""
        return await self._running.system.supervisor(name, restart=restart, parent=parent)

    async def empty(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> DeviceArray:
        """Allocate a device array that the caller owns and frees, with undefined contents."""
        return await self._caller.empty(shape, dtype)

    async def zeros(self, shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> DeviceArray:
        """Allocate a device array of zeros that the caller owns and frees."""
        return await self._caller.zeros(shape, dtype)

    async def array(self, host: HostArray) -> DeviceArray:
        """Copy `host` to a device array that the caller owns and frees."""
        return await self._caller.array(host)

    def request_shutdown(self, timeout: float | None = None) -> None:
        """Ask for the drain and return at once; `timeout` seconds replace the configured `shutdown_timeout`."""
        self._shutdown.request(timeout)

    def hurry(self) -> None:
        """Ask for the drain and cancel at once what is in flight, as a second signal does."""
        self._shutdown.hurry()

    async def shutdown(self, timeout: float | None = None) -> DrainReport:
        """Drain and stop: finish what is in flight, refuse what is new, cancel the rest at the deadline.

        May be called again, also while draining: every call returns the one report.

        Args:
            timeout: Seconds for what is in flight; the configured `shutdown_timeout` if left out.

        Raises:
            NotRunning: It never started.
            UnreachableState: It failed; the cause is attached.
        """
        if self.state is State.CREATED:
            raise NotRunning(self.state.value)
        self._shutdown.request(timeout)
        await self._lifecycle.wait_for(State.STOPPED)
        if self.report is None:
            raise NotRunning(self.state.value)
        return self.report

    async def run(
        self, *, handle_signals: bool = False, task_status: trio.TaskStatus[Runtime] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run from Starting to Stopped; for `await nursery.start(runtime.run)`.

        Cancelling it cancels what is in flight, gives that `cleanup_timeout` seconds, and releases everything.

        Args:
            handle_signals: Drain on SIGTERM and SIGINT, cancel at once on the second; main thread only.
            task_status: Started, with the runtime, once it is Running.

        Raises:
            AlreadyStarted: A runtime runs once.
            DeviceUnavailable: The device that was asked for cannot be opened.
            CanaryFailed: The device does not compute.
            RestartLimit: Crashes went past the root supervisor's window.
            DeviceLost: The device failed while in use.
            InstanceTaken: A live runtime has the instance's name.
        """
        if self.state is not State.CREATED:
            raise AlreadyStarted("the runtime", self.state.value)
        await self._lifecycle.move(State.STARTING)
        try:
            await self._serve(handle_signals, task_status)
        except BaseException as error:
            await self._ended_with(single(error))
            if isinstance(error, BaseExceptionGroup) and isinstance(single(error), Exception):
                raise single(error) from single(error).__cause__
            raise
        await self._lifecycle.move(State.STOPPED)

    async def _serve(self, handle_signals: bool, task_status: trio.TaskStatus[Runtime]) -> None:
        async with trio.open_nursery() as nursery:
            if handle_signals:
                await nursery.start(watch_signals, self._shutdown)
            async with controlled(self, self._wanted_instance):
                parts = self._parts = Parts.open(self.config, self._given_device, self._hooks)
                try:
                    async with trio.open_nursery() as working:
                        await self._work(parts, working, task_status)
                finally:
                    await self._release(parts)
            nursery.cancel_scope.cancel()

    async def _work(self, parts: Parts, working: trio.Nursery, task_status: trio.TaskStatus[Runtime]) -> None:
        """Go from Starting to the end of the drain."""
        await sing(parts.device, parts.compilations, self.config.cleanup_timeout)
        with trio.CancelScope(shield=True):  # one turn; cancelled within it, `start` would wait for a shielded task
            await working.start(parts.run_actors)
        try:
            if not self._shutdown.is_requested:
                await self._lifecycle.move(State.RUNNING)
            working.start_soon(self._watch_health)
            task_status.started(self)
            await self._shutdown.wait_requested()
        finally:
            await self._drain(parts)
        working.cancel_scope.cancel()

    async def _drain(self, parts: Parts) -> None:
        """Drain, also when cancelled: then at once, under a shield that has a deadline."""
        try:
            await trio.lowlevel.checkpoint_if_cancelled()
            await self._lifecycle.move(State.DRAINING)
            await self._shutdown.drain(parts.system)
            await parts.stop_actors()
        except BaseException as error:
            if is_cancellation(error):  # alone, or in the group of a nursery that the drain waits in
                await self._drain_at_once(parts)
            raise
        finally:
            parts.end_actors()

    async def _drain_at_once(self, parts: Parts) -> None:
        with trio.move_on_after(2 * self.config.cleanup_timeout, shield=True):
            if self.state is not State.DRAINING:
                await self._lifecycle.move(State.DRAINING)
            self._shutdown.hurry()
            await self._shutdown.drain(parts.system)
            await parts.stop_actors()

    async def _release(self, parts: Parts) -> None:
        """Give everything back, and say how everything ended."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 3 * self.config.cleanup_timeout):
            await parts.release()
        self._parts = None
        self.report = parts.report(self._shutdown.began_s)
        self._log.info("drained", report=str(self.report))
        self._hooks.tell(self.report)

    async def _ended_with(self, error: BaseException) -> None:
        if is_cancellation(error) and self.state is State.DRAINING:
            await self._lifecycle.move(State.STOPPED)
        elif not self._lifecycle.ended:
            await self._lifecycle.move(State.FAILED, error)

    async def _watch_health(self) -> None:
        while True:
            await trio.sleep(self.config.health_check_interval)
            parts = self._running
            parts.memory.tick()
            self._checks = await check_health(
                parts.device, parts.memory, parts.system.actors, self.config.health_check_interval
            )
            self._checked_s = trio.current_time()
            for check in self._checks:
                if not check.ok:
                    self._log.warning("unhealthy", part=check.name, detail=check.detail)

    @property
    def _running(self) -> Parts:
        if self._parts is None:
            raise NotRunning(self.state.value)
        return self._parts

    @property
    def _caller(self) -> OwnedMemory:
        return self._running.memory.caller

    def _tell(self, record: Transition) -> None:
        self._log.info("transition", before=record.before.value, after=record.after.value, cause=record.cause)
        self.record(record)

    def hand_over_messages(self) -> None:
        """Tell hooks of messages that they have not heard of yet; on any thread, for whoever shows what they made."""
        parts = self._parts
        if parts is not None:
            parts.system.hand_over_messages()

    def record(self, record: object) -> None:
        """Hand a record of something that happened around the runtime to its hooks."""
        self._hooks.tell(record)
