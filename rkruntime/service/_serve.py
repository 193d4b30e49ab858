"""The service: a runtime on the main thread, the server beside it, and what becomes of each when the other ends."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import cache, partial
from typing import Any

import trio

from rkruntime.config import ProductionConfig
from rkruntime.errors import RkError, ServiceFailed, UnreachableState
from rkruntime.kernels import KernelSpec, kernel
from rkruntime.log import get_logger
from rkruntime.observability import Observability
from rkruntime.runtime import ControlRequest, DrainReport, HookFor, Runtime, State
from rkruntime.security import SYNC_EACH_S
from rkruntime.service._activity import Activity
from rkruntime.service._app import Wrap, in_tasks, make_app
from rkruntime.service._bridge import Bridge
from rkruntime.service._catalogue import Catalogue
from rkruntime.service._guard import Guard
from rkruntime.service._idempotency import Answers
from rkruntime.service._limits import Limits
from rkruntime.service._notify import Notifier
from rkruntime.service._openapi import describe
from rkruntime.service._routes import ROUTES
from rkruntime.service._server import FAREWELL_S as SERVER_FAREWELL_S
from rkruntime.service._server import Server, listen
from rkruntime.service._state import Heart, ServiceState

__all__ = ("Service", "longest_end_s")

FAREWELL_S = 2.0
"""Seconds for which requests are refused, at most, once the runtime has ended and before the server does."""
QUIET_LOOKS = 3
LOOK_EACH_S = 0.03

SIDE_BY_SIDE = 8
"""Launches of one kernel that are under way at once: one compiles or is copied while another runs."""


def longest_end_s(config: ProductionConfig) -> float:
    """Return the seconds that a service may take from the first signal to its end, if all goes on to its deadlines."""
    runtime = config.runtime
    drain_s = runtime.drain_grace + runtime.shutdown_timeout + runtime.cleanup_timeout
    releasing_s = 4 * runtime.cleanup_timeout  # actors stop, and memory and device are released, twice that each
    return drain_s + releasing_s + FAREWELL_S + SERVER_FAREWELL_S


class Service:
    """Serves kernels over HTTP: a runtime under Trio, and a server on a thread of its own.

    Args:
        config: All settings.
        specs: Kernels by the name under which they are served.
        wraps: What stands around every route, the outermost first.
        hooks: Each is called with every record of the runtime, on the Trio thread.
        observability: Who is told of requests, and answers scrapes; its hooks are added to `hooks`.
        instance: The name of the control socket, as for `open_runtime`.
        environ: Where systemd says how to tell it; the process's environment unless another is given.
    """

    address: tuple[str, int] = ("", 0)
    """The host and port that it listens at, once it does."""

    def __init__(
        self,
        config: ProductionConfig,
        specs: Mapping[str, KernelSpec],
        *,
        wraps: Sequence[Wrap] = (),
        hooks: Sequence[Callable[[Any], None]] = (),
        observability: Observability | None = None,
        instance: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.config = config
        self.specs = _checking(specs) if config.service.check_bounds else specs
        self._activity = Activity()
        shown = (self._activity,) if config.service.dashboard_enabled else ()
        observing = () if observability is None else observability.hooks
        on_record = [HookFor(kind, self._guarded) for kind in (ControlRequest, DrainReport)]
        told = (*shown, *hooks, *observing, *on_record)
        self.runtime = Runtime(config.runtime, hooks=told, instance=instance)
        self._guard: Guard | None = None
        self._wraps = wraps
        self._observability = observability
        self._failure: ServiceFailed | None = None
        self._server: Server | None = None
        self._notifier = Notifier(os.environ if environ is None else environ)

    async def run(
        self, *, handle_signals: bool = False, task_status: trio.TaskStatus[Service] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Serve until the runtime has drained; for `await nursery.start(service.run)`.

        The server listens before the runtime starts, so that probes see it start, and ends after it, so that what was
        in flight is answered. If the server's thread ends by itself, the runtime drains.

        Args:
            handle_signals: Drain on SIGTERM and SIGINT, cancel at once on the second; main thread only.
            task_status: Started, with the service, once launches are served.

        Raises:
            AddressUnavailable: It cannot listen there.
            ServiceFailed: The server's thread ended by itself.
            UnreadableInput: Keys, certificates or the audit log cannot be read.
            RkError: What kept the runtime from starting, or what it ended with.
        """
        with closing(Guard(self.config)) as guard:
            self._guard = guard
            await self._run_guarded(guard, handle_signals, task_status)
        if self._failure is not None:
            raise self._failure

    async def _run_guarded(self, guard: Guard, handle_signals: bool, task_status: trio.TaskStatus[Service]) -> None:
        listening = listen(self.config.service)
        looking, beating = trio.CancelScope(), trio.CancelScope()
        try:
            async with trio.open_nursery() as nursery:
                bridge = Bridge(nursery)
                state = self._state(bridge)
                app = make_app(state, guard.headers_for, (*map(in_tasks, self._wraps), guard))
                tls = None if guard.tls is None else guard.tls.context
                server = self._server = Server(
                    app, self.config.service, listening, bridge.attach, guard.headers_for(""), tls
                )
                self.address = server.address
                nursery.start_soon(bridge.carry)
                nursery.start_soon(self._supervise, server)
                nursery.start_soon(_beat, state, self._notifier, beating)
                nursery.start_soon(_note_drain, state, self._notifier)
                nursery.start_soon(_keep_up, guard, looking)
                try:
                    async with trio.open_nursery() as running:
                        await running.start(_run, self.runtime, handle_signals)
                        self._tell_of_checks()
                        task_status.started(self)
                        self._notifier.ready(f"serving at port {self.address[1]}")
                    bridge.close()
                    await _bid_farewell(server)
                finally:
                    bridge.close()
                    server.end()
                    looking.cancel()
                    beating.cancel()
        except BaseExceptionGroup as group:
            raise _one(group) from _one(group).__cause__

    def _tell_of_checks(self) -> None:
        kind = self.runtime.device.properties.kind
        if self.config.service.check_bounds and kind != "cpu":
            mend = "look at every array's size in the kernels, or serve them on the CPU"
            get_logger("rkruntime.service").warning("no bounds are checked here", device=kind, mend=mend)

    def _guarded(self, record: object) -> None:
        """Hand a record of the runtime to the guard; a hook."""
        if self._guard is not None:
            self._guard.hook(record)

    def _state(self, bridge: Bridge) -> ServiceState:
        service = self.config.service
        catalogue = Catalogue(self.runtime, self.specs, concurrency=SIDE_BY_SIDE)
        return ServiceState(
            config=self.config,
            runtime=self.runtime,
            bridge=bridge,
            catalogue=catalogue,
            observability=self._observability,
            activity=self._activity,
            limits=Limits(service),
            answers=Answers(service.idempotency_window, service.idempotency_memory),
            description=cache(partial(describe, ROUTES)),
        )

    async def _supervise(self, server: Server) -> None:
        """Run the server; if it ends while the runtime has not, drain that."""
        why = "its thread returned"
        try:
            await server.run()
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
        if self.runtime.state not in (State.STOPPED, State.FAILED):
            get_logger("rkruntime.service").error("the server ended by itself, so the runtime drains", why=why)
            self._failure = ServiceFailed(why)
            self.runtime.request_shutdown()


def _checking(specs: Mapping[str, KernelSpec]) -> Mapping[str, KernelSpec]:
    return {name: kernel(check_bounds=True)(spec) for name, spec in specs.items()}


async def _run(runtime: Runtime, handle_signals: bool, *, task_status: trio.TaskStatus[Runtime]) -> None:
    await runtime.run(handle_signals=handle_signals, task_status=task_status)


async def _beat(state: ServiceState, notifier: Notifier, beating: trio.CancelScope) -> None:
    each_s = min(Heart.EACH_S, (notifier.watchdog_s or math.inf) / 3)
    with beating:
        while True:
            state.heart.beat()
            notifier.alive()
            await trio.sleep(each_s)


async def _bid_farewell(server: Server) -> None:
    """Refuse for a little longer, until nobody asks: who asked while the runtime ended gets an answer, not a reset."""
    with trio.move_on_after(FAREWELL_S):
        quiet = 0
        while quiet < QUIET_LOOKS:
            await trio.sleep(LOOK_EACH_S)
            quiet = 0 if server.is_asked else quiet + 1


async def _keep_up(guard: Guard, looking: trio.CancelScope) -> None:
    """Let the guard look at its files and URLs every second, on a thread that may wait for them."""
    with looking:
        while True:
            await trio.sleep(SYNC_EACH_S)
            try:
                await trio.to_thread.run_sync(guard.look)
            except RkError as error:
                get_logger("rkruntime.security").error("the guard could not look", error=str(error))


async def _note_drain(state: ServiceState, notifier: Notifier) -> None:
    try:
        await state.runtime.wait_for(State.DRAINING)
    except UnreachableState:
        return
    state.drain.begin()
    notifier.stopping("draining", longest_end_s(state.config))


def _one(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the one error of ours in a group, since whoever runs a service met one; else the group as it is."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
