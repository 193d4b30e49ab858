"""Every setting of the runtime and of its memory has an effect: for each, one observation that differs by it alone."""

import logging
import os
import stat
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import trio
from numba import cuda
from trio.testing import MockClock

from rkruntime.cli._configured import configured
from rkruntime.config import MemoryConfig, RuntimeConfig
from rkruntime.config._about import is_section
from rkruntime.device import open_device
from rkruntime.device._open import choose
from rkruntime.errors import InstanceLimit, Overloaded
from rkruntime.memory import KernelMemoryManager
from rkruntime.runtime import Actor, open_runtime
from rkruntime.runtime._hooks import Hooks
from rkruntime.runtime._parts import Parts
from rkruntime.testing import FakeDevice

KIB, MIB = 2**10, 2**20


class Worker(Actor):
    async def work(self, seconds: float) -> None:
        await trio.sleep(seconds)

    async def cling(self) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(1000.0)


async def tries(config: RuntimeConfig) -> Any:
    return choose(config)


async def most_kernels(config: RuntimeConfig) -> int:
    async with open_runtime(config, device=FakeDevice()) as runtime:
        with pytest.raises(InstanceLimit) as caught:
            for _ in range(4):
                await runtime.spawn(nothing)
        return caught.value.live


async def units(config: RuntimeConfig) -> int:
    device = open_device(attrs.evolve(config, device="cpu"))
    try:
        return device.properties.compute_units
    finally:
        device.close()


async def threads_at_once(config: RuntimeConfig) -> float:
    parts = Parts.open(config, FakeDevice(), Hooks(()))
    try:
        return parts.compilations._limiter.total_tokens
    finally:
        await parts.release()


async def waiting_at_once(config: RuntimeConfig) -> int:
    async with open_runtime(config, device=FakeDevice()) as runtime:
        worker = await runtime.spawn(Worker, overflow="refuse")
        with pytest.raises(Overloaded) as caught:
            for _ in range(9):
                await worker.tell(Worker.work, 0.01)
        return caught.value.capacity


async def drain_s(config: RuntimeConfig) -> float:
    async with open_runtime(config, device=FakeDevice()) as runtime:
        worker = await runtime.spawn(Worker)
        await worker.tell(Worker.work, 1000.0)
        await trio.testing.wait_all_tasks_blocked()
        began_s = trio.current_time()
    return trio.current_time() - began_s


async def cleanup_s(config: RuntimeConfig) -> float:
    async with open_runtime(config, device=FakeDevice()) as runtime:
        worker = await runtime.spawn(Worker)
        await worker.tell(Worker.cling)
        await trio.testing.wait_all_tasks_blocked()
        await runtime.shutdown(0.0)
    assert runtime.report is not None
    return runtime.report.duration_s


async def first_check_s(config: RuntimeConfig) -> float:
    async with open_runtime(config, device=FakeDevice()) as runtime:
        began_s = trio.current_time()
        for _ in range(20):
            await trio.sleep(0.5)
            if runtime.health.checks:
                break
        return trio.current_time() - began_s


async def in_place(config: RuntimeConfig) -> bool:
    return copies_in_place(attrs.evolve(config, device="cpu"))


def copies_in_place(config: RuntimeConfig) -> bool:
    """Whether copies to the CPU device end on the thread that asks for them: then they are done at once, each time."""
    device = open_device(config)
    try:
        stream, address = device.stream(), device.allocate(KIB)
        target, source = device.array(address, (KIB,), np.dtype("u1")), np.zeros(KIB, np.uint8)
        events = [device.copy_in(target, source, stream) for _ in range(20)]
        at_once = [event.done for event in events]
        while not all(event.done for event in events):
            time.sleep(0)
        device.free(address, KIB)
        return all(at_once)
    finally:
        device.close()


async def logged(config: RuntimeConfig) -> Any:
    logger, root = logging.getLogger("rkruntime"), logging.getLogger()
    kept, others = (logger.handlers[:], logger.level, logger.propagate), root.handlers[:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUSTKERNEL_RUNTIME_LOG_LEVEL", config.log_level)
        patch.setenv("RUSTKERNEL_RUNTIME_LOG_FORMAT", config.log_format)
        configured(None, None, None)
    record = logging.makeLogRecord({"msg": "x", "name": "rkruntime", "levelname": "INFO", "created": 0.0, "msecs": 0.0})
    seen = logger.level, logger.handlers[0].format(record)[0] == "{"
    logger.handlers[:], _, logger.propagate = kept[0], None, kept[2]
    logger.setLevel(kept[1])
    root.handlers[:] = others
    return seen


async def who_may_connect(config: RuntimeConfig) -> int:
    """Return the permissions of the control socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", folder)
        async with open_runtime(config, device=FakeDevice(), instance="here"):
            return permissions_of_socket(Path(folder))


def permissions_of_socket(folder: Path) -> int:
    (found,) = (path for path in folder.rglob("*") if path.is_socket())
    return stat.S_IMODE(found.stat().st_mode)


def of_memory(see: Callable[[KernelMemoryManager, FakeDevice], Any]) -> Callable[[RuntimeConfig], Awaitable[Any]]:
    async def observe(config: RuntimeConfig) -> Any:
        device = FakeDevice()
        manager = KernelMemoryManager(config.memory, device, clock=trio.current_time)
        try:
            return see(manager, device)
        finally:
            await manager.aclose(0.0)

    return observe


def level_at(percent: int, then: int | None = None) -> Callable[[RuntimeConfig], Awaitable[Any]]:
    def see(manager: KernelMemoryManager, _: FakeDevice) -> Any:
        held = manager.allocate(percent * KIB)
        if then is not None:
            rest = manager.allocate(then * KIB)
            manager.deallocate(rest)
        level = manager.stats().level
        manager.deallocate(held)
        return level

    return of_memory(see)


def cached(manager: KernelMemoryManager, _: FakeDevice) -> int:
    manager.deallocate(manager.allocate(KIB))
    return manager.stats().cached_bytes


def released_when_cold(manager: KernelMemoryManager, _: FakeDevice) -> int:
    manager.deallocate(manager.allocate(MIB))
    return sum(manager.tick(now_s) for now_s in (0.0, 100.0, 200.0))


def left_over(manager: KernelMemoryManager, device: FakeDevice) -> bool:
    before = len(device.copies)
    manager.deallocate(manager.allocate(KIB, manager.owner("one")))
    return len(device.copies) > before


@cuda.jit
def nothing(x):
    x[0] = 0


SMALL = {"max_gpu_memory": 100 * KIB, "pooling_enabled": False}
SEEN: dict[str, tuple[dict[str, Any], Any, Any, Callable[[RuntimeConfig], Awaitable[Any]]]] = {
    "gpu_enabled": ({}, True, False, tries),
    "device": ({"gpu_enabled": True}, "auto", "cpu", tries),
    "max_kernel_instances": ({}, 1, 2, most_kernels),
    "worker_threads": ({}, 1, 2, units),
    "blocking_threads": ({}, 3, 4, threads_at_once),
    "mailbox_capacity": ({}, 1, 2, waiting_at_once),
    "shutdown_timeout": ({}, 3.0, 4.0, drain_s),
    "drain_grace": ({}, 0.0, 2.0, drain_s),
    "cleanup_timeout": ({}, 1.0, 2.0, cleanup_s),
    "health_check_interval": ({}, 1.0, 4.0, first_check_s),
    "inline_budget": ({}, 0.0, 1.0, in_place),
    "log_level": ({}, "info", "error", logged),
    "log_format": ({}, "console", "json", logged),
    "socket_role_map": ({}, None, "user:0=viewer", who_may_connect),
    "socket_group": ({"socket_role_map": "user:0=viewer"}, None, str(os.getgid()), who_may_connect),
    "memory.max_gpu_memory": ({"pooling_enabled": False}, 100 * KIB, 200 * KIB, level_at(90)),
    "memory.max_staging_memory": ({}, MIB, 2 * MIB, of_memory(lambda manager, _: manager.staging.limit_bytes)),
    "memory.pooling_enabled": ({}, True, False, of_memory(cached)),
    "memory.pressure_threshold": (SMALL, 0.5, 0.8, level_at(60)),
    "memory.critical_threshold": (SMALL, 0.75, 0.9, level_at(80)),
    "memory.emergency_threshold": (SMALL, 0.9, 0.99, level_at(95)),
    "memory.hysteresis": (SMALL, 0.01, 0.2, level_at(65, then=10)),
    "memory.auto_defrag": ({}, True, False, of_memory(released_when_cold)),
    "memory.scrub": ({}, True, False, of_memory(left_over)),
}
"""Setting -> what else is set, two values, and what is seen of them."""


def with_setting(path: str, besides: dict[str, Any], value: Any) -> RuntimeConfig:
    base = attrs.evolve(RuntimeConfig.testing(), shutdown_timeout=3.0)
    section, _, name = path.rpartition(".")
    if section:
        return attrs.evolve(base, memory=MemoryConfig(**(besides | {name: value})))
    return attrs.evolve(base, **(besides | {name: value}))


@pytest.mark.parametrize("path", SEEN)
async def test_a_setting_is_seen(path: str, autojump_clock: MockClock) -> None:
    besides, one, other, observe = SEEN[path]
    seen = [await observe(with_setting(path, besides, value)) for value in (one, other)]
    assert seen[0] != seen[1], seen


def test_every_setting_is_looked_at() -> None:
    own = [field.name for field in attrs.fields(RuntimeConfig) if not is_section(field)]
    assert list(SEEN) == [*own, *(f"memory.{field.name}" for field in attrs.fields(MemoryConfig))]
