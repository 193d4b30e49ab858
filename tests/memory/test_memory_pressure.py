"""What happens at each pressure level, in virtual time."""

import logging

import numpy as np
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from rkruntime.errors import BufferMisuse, MemoryPressure
from rkruntime.memory import PressureLevel

MIB = 2**20


def fill(manager, percent):
    """Bring allocation to `percent` of 100 MiB; returns the buffers."""
    return [manager.allocate(MIB) for _ in range(percent - manager.allocated_bytes // MIB)]


def events(caplog):
    return [(r.levelno, r.rk_fields["was"], r.rk_fields["to"]) for r in caplog.records if hasattr(r, "rk_fields")]


def test_each_crossing_is_logged_once(make, caplog):
    caplog.set_level(logging.INFO, "rkruntime.memory")
    manager = make(100 * MIB)
    buffers = fill(manager, 69)
    assert events(caplog) == []
    buffers += fill(manager, 84)
    buffers += fill(manager, 97)
    for buffer in buffers:
        manager.deallocate(buffer)
    assert events(caplog) == [
        (logging.WARNING, "normal", "warning"),
        (logging.WARNING, "warning", "critical"),
        (logging.WARNING, "critical", "emergency"),
        (logging.INFO, "emergency", "critical"),
        (logging.INFO, "critical", "warning"),
        (logging.INFO, "warning", "normal"),
    ]


def test_swinging_about_an_edge_is_one_crossing(make, caplog):
    manager = make(100 * MIB)
    fill(manager, 69)
    for _ in range(10):
        manager.deallocate(manager.allocate(MIB))
    assert len(events(caplog)) == 1
    assert manager.level is PressureLevel.WARNING


def test_new_actors_are_refused_from_critical_on(make):
    manager = make(100 * MIB)
    buffers = fill(manager, 84)
    manager.check_admission()
    buffers += fill(manager, 85)
    with pytest.raises(MemoryPressure) as caught:
        manager.check_admission()
    assert (caught.value.level, caught.value.allocated_bytes, caught.value.limit_bytes) == (
        "critical",
        85 * MIB,
        100 * MIB,
    )
    manager.allocate(MIB)
    for buffer in buffers[-5:]:
        manager.deallocate(buffer)
    manager.check_admission()


def test_emergency_releases_idle_memory_and_calls_back(make, device):
    manager = make(100 * MIB)
    seen = []
    manager.on_pressure(seen.append)
    manager.on_pressure(lambda level: seen.append(str(level)), PressureLevel.WARNING)
    manager.deallocate(manager.allocate(100))
    fill(manager, 94)
    manager.deallocate(manager.allocate(MIB))
    assert (manager.level, seen) == (PressureLevel.CRITICAL, ["warning", "critical"])
    assert manager.stats().cached_bytes == 2 * MIB
    fill(manager, 96)
    assert seen == ["warning", "critical", PressureLevel.EMERGENCY, "emergency"]
    assert manager.stats().cached_bytes == 0


def test_in_emergency_each_tick_releases_again(make):
    manager = make(100 * MIB)
    buffers = fill(manager, 97)
    manager.deallocate(buffers.pop())
    assert manager.level is PressureLevel.EMERGENCY
    assert manager.tick() == MIB


def test_a_callback_may_free_and_so_end_the_emergency(make):
    manager = make(100 * MIB)
    cache = manager.owner("cache")
    for _ in range(30):
        manager.allocate(MIB, cache)
    manager.on_pressure(lambda level: cache.free_all())
    kept = [manager.allocate(MIB) for _ in range(66)]
    assert manager.level is PressureLevel.NORMAL
    assert manager.allocated_bytes == 66 * MIB
    assert not any(buffer.freed for buffer in kept)


def test_a_callback_that_raises_is_logged_and_dropped(make, caplog):
    manager = make(100 * MIB)
    called = []

    def broken(level):
        raise ValueError("broken")

    manager.on_pressure(broken)
    remove = manager.on_pressure(called.append)
    fill(manager, 96)
    assert called == [PressureLevel.EMERGENCY]
    assert "ValueError: broken" in caplog.text
    remove()
    remove()
    manager.caller.free_all()
    fill(manager, 96)
    assert called == [PressureLevel.EMERGENCY]


async def test_deferrable_allocations_wait_in_order(make, autojump_clock):
    manager = make(100 * MIB)
    buffers = fill(manager, 75)
    got = []

    async def ask(number):
        memory = manager.owner(f"ask-{number}")
        await memory.empty(MIB // 4, np.float32, deferrable=True, deadline_s=60.0)
        got.append((number, trio.current_time() - begin))

    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(ask, number)
            await wait_all_tasks_blocked()
        await trio.sleep(5)
        assert got == []
        await manager.caller.empty(MIB // 4)
        await trio.sleep(5)
        for buffer in buffers[:10]:
            manager.deallocate(buffer)
    assert got == [(0, 10.0), (1, 10.0), (2, 10.0)]


async def test_only_as_many_go_on_as_pressure_allows(make, autojump_clock):
    manager = make(100 * MIB)
    buffers = fill(manager, 75)
    got = []

    async def ask(number):
        await manager.caller.empty(5 * MIB, np.uint8, deferrable=True, deadline_s=60.0)
        got.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(ask, number)
            await wait_all_tasks_blocked()
        for buffer in buffers[:8]:
            manager.deallocate(buffer)
        await wait_all_tasks_blocked()
        assert got == [0]
        for buffer in buffers[8:18]:
            manager.deallocate(buffer)
        await wait_all_tasks_blocked()
        assert got == [0, 1, 2]


async def test_a_deferrable_allocation_gives_up_at_its_deadline(make, autojump_clock):
    manager = make(100 * MIB)
    fill(manager, 75)
    begin = trio.current_time()
    with pytest.raises(MemoryPressure):
        await manager.caller.zeros(10, deferrable=True, deadline_s=7.0)
    assert trio.current_time() - begin == 7.0
    assert manager.allocated_bytes == 75 * MIB


async def test_a_waiter_that_leaves_lets_the_next_one_up(make, autojump_clock):
    manager = make(100 * MIB)
    buffers = fill(manager, 75)
    got = []

    async def ask(number, deadline_s):
        with trio.move_on_after(deadline_s):
            await manager.caller.empty(1, deferrable=True, deadline_s=60.0)
            got.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, 0, 1.0)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, 1, 60.0)
        await trio.sleep(2)
        for buffer in buffers[:10]:
            manager.deallocate(buffer)
    assert got == [1]


async def test_a_newcomer_does_not_overtake_those_who_wait(make, autojump_clock):
    manager = make(100 * MIB)
    buffers = fill(manager, 75)
    got = []

    async def ask(number):
        await manager.caller.empty(1, deferrable=True)
        got.append(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, 0)
        nursery.start_soon(ask, 1)
        await wait_all_tasks_blocked()
        order = set(got)
        for buffer in buffers[:10]:
            manager.deallocate(buffer)
        nursery.start_soon(ask, 2)
    assert order == set()
    assert got[-1] == 2


async def test_emergency_cancels_deferrable_work(make, autojump_clock):
    manager = make(100 * MIB)
    fill(manager, 75)
    refused = []

    async def ask():
        try:
            await manager.caller.empty(1, deferrable=True, deadline_s=1000.0)
        except MemoryPressure as error:
            refused.append((error.level, trio.current_time() - begin))

    begin = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await trio.sleep(3)
        fill(manager, 94)
        await trio.sleep(3)
        fill(manager, 96)
    assert refused == [("emergency", 6.0)] * 2
    with pytest.raises(MemoryPressure):
        await manager.caller.empty(1, deferrable=True)


async def test_with_no_pressure_deferrable_allocations_do_not_wait(make, autojump_clock):
    manager = make(100 * MIB)
    begin = trio.current_time()
    await manager.caller.empty(1, deferrable=True)
    assert trio.current_time() == begin


async def test_closing_ends_every_wait(make, autojump_clock):
    manager = make(100 * MIB)
    fill(manager, 75)
    ended = []

    async def ask():
        begin = trio.current_time()
        with pytest.raises((MemoryPressure, BufferMisuse)):
            await manager.caller.empty(1, deferrable=True, deadline_s=1000.0)
        ended.append(trio.current_time() - begin)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        manager.close()
    assert ended == [0.0] * 3
