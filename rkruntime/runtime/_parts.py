"""What a runtime is made of while it runs: device, memory, actors; opened and released together, in order."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import trio

from rkruntime.actors import ActorSystem, Outcomes
from rkruntime.config import RuntimeConfig
from rkruntime.device import Device, DeviceEvent, open_device_with_note
from rkruntime.errors import InstanceLimit
from rkruntime.kernels import Compilations, Launcher, as_spec
from rkruntime.log import get_logger
from rkruntime.memory import KernelMemoryManager, Leak, OwnedMemory
from rkruntime.runtime._actor import Actor
from rkruntime.runtime._hooks import Hooks
from rkruntime.runtime._kernel_actor import KernelActor, KernelRef
from rkruntime.runtime._records import DrainReport
from rkruntime.runtime._report import make_report

__all__ = ("Parts",)


class Parts:
    """Device, memory and actors of one running runtime.

    Args:
        config: Settings.
        device: The open device; it is closed with the rest.
        hooks: Called with every record of actors, launches and memory.
    """

    def __init__(self, config: RuntimeConfig, device: Device, hooks: Hooks) -> None:
        self.config = config
        self.device = device
        self.memory = KernelMemoryManager(config.memory, device, clock=trio.current_time, on_record=hooks.tell_if_any)
        self.compilations = Compilations(config.blocking_threads)
        self._hooks = hooks
        self._unstoppable: list[tuple[str, DeviceEvent]] = []
        self._leaks: tuple[Leak, ...] = ()
        self._abandoned: Counter[str] = Counter()
        self._outcomes: dict[str, Outcomes] = {}
        self._settled_s = 0.0
        self._acting = trio.CancelScope(shield=True)
        self.system = ActorSystem(
            mailbox_capacity=config.mailbox_capacity,
            cleanup_timeout=config.cleanup_timeout,
            memory_for=self._memory_for,
            prepare=self._equip,
            on_record=hooks.tell_if_any,
            on_messages=hooks.on_messages,
            messages_at_once=hooks.messages_at_once,
            begin_trace=hooks.begin_trace,
            whole_messages=hooks.whole_messages,
        )

    @classmethod
    def open(cls, config: RuntimeConfig, device: Device | None, hooks: Hooks) -> Parts:
        """Open the device, unless one is given, and the pools."""
        if device is None:
            opened = open_device_with_note(config)
            if opened.note is not None:
                get_logger("rkruntime.device").info(opened.note)
            device = opened.device
        return cls(config, device, hooks)

    async def run_actors(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Run the actors until `stop_actors`, or `end_actors` at the latest.

        Shielded, so that a cancelled runtime can still see its messages to their end. Whoever runs this ends it, within
        the clean-up time.
        """
        with self._acting:
            await self.system.run(task_status=task_status)

    async def stop_actors(self) -> None:
        """Stop every actor, the last one started first, each with a bounded clean-up."""
        with trio.move_on_after(2 * self.config.cleanup_timeout):
            await self.system.stop()

    def end_actors(self) -> None:
        """End the actors' task, and note how every message had ended by now."""
        self._outcomes = self.system.ledger.outcomes()
        self._settled_s = trio.current_time()
        self._acting.cancel()

    async def spawn_kernel(self, target: Any, options: dict[str, Any]) -> KernelRef:
        """Start a kernel actor, within the instance limit and the memory's pressure."""
        spec = as_spec(target)
        live = sum(issubclass(info.kind, KernelActor) for info in self.system.actors)
        if live >= self.config.max_kernel_instances:
            raise InstanceLimit(self.config.max_kernel_instances, live)
        self.memory.check_admission()
        if options["name"] is None:
            options = options | {"name": self.system.free_name(spec.name)}
        return KernelRef.of(await self.system.spawn(KernelActor, spec, **options))

    async def release(self) -> None:
        """Give back threads, memory and device; under deadlines, since there is work that cannot be stopped."""
        with trio.move_on_after(self.config.cleanup_timeout):
            await self.compilations.wait_idle()
        for name in self.compilations.running:
            get_logger("rkruntime.runtime").warning("a kernel still compiles, in a thread of its own", kernel=name)
        try:
            self._leaks = await self.memory.aclose(self.config.cleanup_timeout)
        finally:
            for _, event in self._unstoppable:
                if not event.done:
                    get_logger("rkruntime.runtime").warning("a launch was abandoned on the device")
            self._abandoned = Counter(name for name, event in self._unstoppable if not event.done)
            self.device.close()

    def report(self, began_s: float) -> DrainReport:
        """Say how everything that was in flight at `began_s` had ended when `stop_actors` was done waiting."""
        report = make_report(self._outcomes, self._abandoned, self._leaks, max(0.0, self._settled_s - began_s))
        return attrs.evolve(report, compiling=self.compilations.running)

    def _memory_for(self, name: str) -> OwnedMemory:
        return self.memory.owner(name, stream=self.device.stream())

    def _equip(self, actor: Any) -> None:
        """Give an actor the means to launch kernels on its own stream."""
        if isinstance(actor, Actor):
            actor._launcher = Launcher(
                self.device,
                actor.memory,
                actor.memory.work_stream,
                compilations=self.compilations,
                cleanup_s=self.config.cleanup_timeout,
                on_unstoppable=lambda event: self._unstoppable.append((actor.name, event)),
                on_launch=self._hooks.on_launch,
            )
