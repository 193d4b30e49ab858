"""Pools by example: reuse, quarantine, slabs, scrubbing, care, pooling off, misuse."""

import pytest
from memory_double import Double, Event, Stream

from rkruntime.errors import BufferMisuse, OutOfDeviceMemory

KIB, MIB = 2**10, 2**20


def test_a_freed_block_serves_the_next_request_of_its_class(make, device):
    manager = make()
    first = manager.allocate(MIB)
    address = first.address
    manager.deallocate(first)
    assert manager.allocate(MIB - 5).address == address
    assert device.allocations == 1


def test_a_request_takes_an_idle_block_of_a_slightly_larger_class(make, device):
    manager = make()
    for buffer in [manager.allocate(size) for size in (4 * MIB, 2 * MIB, 7 * MIB // 4, 5 * MIB // 4)]:
        manager.deallocate(buffer)
    before = device.allocations
    assert [manager.allocate(MIB).block.size_bytes for _ in range(3)] == [5 * MIB // 4, 7 * MIB // 4, MIB]
    assert device.allocations == before + 1
    stats = manager.stats()
    assert {row.block_bytes: row.live for row in stats.classes if row.live} == {
        MIB: 1,
        5 * MIB // 4: 1,
        7 * MIB // 4: 1,
    }
    manager.caller.free_all()
    assert manager.stats().allocated_bytes == 0


def test_a_block_in_use_waits_for_its_event_before_others_get_it(make, device):
    manager, event = make(), Event(None)
    buffer = manager.allocate(MIB)
    address = buffer.address
    manager.deallocate(buffer, after=event)
    assert manager.stats().quarantined_bytes == MIB
    assert manager.allocate(MIB).address != address
    event.fire()
    assert manager.allocate(MIB).address == address
    assert manager.stats().quarantined_bytes == 0


def test_a_block_in_use_serves_its_own_stream_at_once_and_stays_guarded(make):
    manager, mine, other, event = make(), Stream(), Stream(), Event(None)
    buffer = manager.allocate(MIB, None, mine)
    address = buffer.address
    buffer.touch(event, mine)
    manager.deallocate(buffer)
    assert manager.allocate(MIB, None, other).address != address
    again = manager.allocate(MIB, None, mine)
    assert again.address == address
    manager.deallocate(again)
    assert manager.allocate(MIB).address != address


def test_uses_on_two_streams_both_count(make):
    manager, one, two = make(), Stream(), Stream()
    first, second = Event(one), Event(two)
    buffer = manager.allocate(MIB)
    address = buffer.address
    buffer.touch(first, one)
    buffer.touch(second, two)
    manager.deallocate(buffer)
    assert manager.allocate(MIB, None, two).address != address
    first.fire()
    assert manager.allocate(MIB, None, two).address == address


def test_work_that_failed_releases_its_block_all_the_same(make):
    manager, event = make(), Event(None)
    buffer = manager.allocate(MIB)
    address = buffer.address
    manager.deallocate(buffer, after=event)
    event.fire(RuntimeError("the kernel failed"))
    assert manager.allocate(MIB).address == address


def test_many_uses_of_one_array_do_not_pile_up(make):
    manager, stream = make(), Stream()
    buffer = manager.allocate(MIB)
    for _ in range(1000):
        buffer.touch(Event(stream), stream)
    assert len(buffer.block.uses) == 1
    for _ in range(1000):
        event = Event(None)
        event.fire()
        buffer.touch(event)
    assert len(buffer.block.uses) < 20
    assert len(buffer.uses) == 1


def test_small_buffers_share_slabs(make, device):
    manager = make()
    buffers = [manager.allocate(1000) for _ in range(1025)]
    assert device.allocations == 2
    assert len({buffer.address for buffer in buffers}) == 1025
    assert manager.stats().reserved_bytes == 2 * MIB


def test_idle_slabs_merge_into_blocks_for_any_use(make, device):
    clock = [0.0]
    manager = make(clock=lambda: clock[0])
    buffers = [manager.allocate(1000) for _ in range(1024)]
    for buffer in buffers[1:]:
        manager.deallocate(buffer)
    for clock[0] in (0.0, 10.0, 100.0):
        manager.tick()
    assert manager.reserved_bytes == MIB
    manager.deallocate(buffers[0])
    for clock[0] in (200.0, 300.0):
        manager.tick()
    (row,) = manager.stats().classes
    assert (row.block_bytes, row.idle) == (MIB, 1)
    for clock[0] in (400.0, 500.0):
        manager.tick()
    assert manager.reserved_bytes == 0
    assert not device.live


def test_cold_classes_are_released_and_warm_ones_kept(make):
    clock = [0.0]
    manager = make(clock=lambda: clock[0])
    manager.deallocate(manager.allocate(MIB))
    manager.deallocate(manager.allocate(4 * MIB))
    released = 0
    for clock[0] in (0.0, 30.0, 59.0, 61.0):
        manager.deallocate(manager.allocate(MIB))
        released += manager.tick()
    assert released == 4 * MIB
    assert manager.reserved_bytes == MIB


def test_without_auto_defrag_a_tick_releases_nothing(make):
    clock = [0.0]
    manager = make(auto_defrag=False, clock=lambda: clock[0])
    manager.deallocate(manager.allocate(MIB))
    for clock[0] in (0.0, 100.0, 200.0):
        assert manager.tick() == 0
    assert manager.reserved_bytes == MIB


def test_trim_releases_what_is_idle_alone(make, device):
    manager = make()
    kept = manager.allocate(2 * MIB)
    manager.deallocate(manager.allocate(100))
    manager.deallocate(manager.allocate(MIB))
    assert manager.trim() == 2 * MIB
    assert device.taken == 2 * MIB
    assert not kept.freed


def test_pooling_off_goes_straight_to_the_device(make, device):
    manager = make(pooling_enabled=False)
    buffer = manager.allocate(1_000_000)
    assert device.taken == 1_000_192
    manager.deallocate(buffer)
    assert device.taken == 0
    assert manager.stats().cached_bytes == 0


def test_pooling_off_still_waits_for_work_in_flight(make, device):
    manager, event = make(pooling_enabled=False), Event(None)
    manager.deallocate(manager.allocate(MIB), after=event)
    assert device.taken == MIB
    event.fire()
    manager.tick()
    assert device.taken == 0


@pytest.mark.parametrize("pooling", [True, False])
def test_scrub_zeroes_between_owners(make, device, pooling):
    manager = make(scrub=True, pooling_enabled=pooling)
    buffer = manager.allocate(4096, manager.owner("secret"))
    device.bytes_at(buffer.address, 4096)[:] = 7
    span = device.bytes_at(buffer.address, 4096)
    keep = device.live.copy()
    manager.deallocate(buffer)
    assert not span.any()
    assert keep


def test_a_block_is_not_handed_out_before_its_scrubbing_is_done(make):
    device = Double(manual=True)
    manager, use = make(on=device, scrub=True), Event(None)
    buffer = manager.allocate(MIB)
    address = buffer.address
    manager.deallocate(buffer, after=use)
    assert not device.events
    use.fire()
    assert manager.allocate(MIB).address != address
    (zeroing,) = device.events
    assert manager.allocate(MIB).address != address
    zeroing.fire()
    again = manager.allocate(MIB)
    assert again.address == address
    assert not device.bytes_at(address, MIB).any()


def test_a_scrubbing_that_failed_is_done_again(make):
    device = Double(manual=True)
    manager = make(on=device, scrub=True)
    buffer = manager.allocate(MIB)
    address = buffer.address
    manager.deallocate(buffer)
    device.events[0].fire(RuntimeError("lost"))
    assert manager.allocate(MIB).address != address
    device.events[1].fire()
    assert manager.allocate(MIB).address == address


def test_the_same_stream_gets_no_unscrubbed_block(make):
    manager, stream, event = make(scrub=True), Stream(), Event(None)
    buffer = manager.allocate(MIB, None, stream)
    address = buffer.address
    buffer.touch(event, stream)
    manager.deallocate(buffer)
    assert manager.allocate(MIB, None, stream).address != address


def test_idle_blocks_make_room_before_memory_runs_out(make, device):
    manager = make(8 * MIB)
    for size in (MIB, 2 * MIB, 4 * MIB):
        manager.deallocate(manager.allocate(size))
    assert manager.allocate(8 * MIB).size_bytes == 8 * MIB
    assert device.taken == 8 * MIB


def test_room_is_made_from_idle_slabs_too(make):
    manager = make(128 * MIB)
    manager.deallocate(manager.allocate(100))
    assert manager.reserved_bytes == MIB
    manager.allocate(128 * MIB)


def test_a_device_that_refuses_is_asked_again_after_a_release(make):
    device = Double(capacity=4 * MIB)
    manager = make(on=device)
    manager.deallocate(manager.allocate(3 * MIB))
    manager.allocate(4 * MIB)
    with pytest.raises(OutOfDeviceMemory) as caught:
        manager.allocate(MIB)
    assert caught.value.details.device_refused
    assert isinstance(caught.value.__cause__, MemoryError)
    assert "other programs" in caught.value.details.mends[-1]


def test_the_small_buffer_of_a_full_device_needs_no_whole_slab(make):
    device = Double(capacity=256 * KIB)
    manager = make(on=device)
    assert manager.allocate(100).size_bytes == 100
    assert device.taken == 256


def test_misuse_is_refused_by_name(make, device):
    manager, other = make(), make(on=Double())
    buffer = manager.allocate(100)
    with pytest.raises(BufferMisuse, match="no buffer of this runtime"):
        other.deallocate(buffer)
    with pytest.raises(BufferMisuse, match="no buffer of this runtime"):
        manager.deallocate("buffer")
    manager.deallocate(buffer)
    with pytest.raises(BufferMisuse, match="double free"):
        manager.deallocate(buffer)
    with pytest.raises(BufferMisuse, match="use after free"):
        buffer.touch(Event(None))
    assert manager.allocated_bytes == 0


def test_an_old_handle_stays_freed_when_its_block_serves_again(make):
    manager = make()
    old = manager.allocate(MIB)
    manager.deallocate(old)
    new = manager.allocate(MIB)
    with pytest.raises(BufferMisuse, match="double free"):
        manager.deallocate(old)
    assert not new.freed


@pytest.mark.parametrize("size", [-1, 1.5, "many", None, -(2**40), 2.0**30])
def test_a_size_that_is_none_is_refused(make, size):
    with pytest.raises(BufferMisuse, match="no size in bytes"):
        make().allocate(size)


def test_a_closed_manager_gives_nothing_back_out(make, device):
    manager = make()
    buffer = manager.allocate(MIB)
    manager.close()
    with pytest.raises(BufferMisuse, match="closed"):
        manager.allocate(MIB)
    with pytest.raises(BufferMisuse, match="double free"):
        manager.deallocate(buffer)


def test_close_leaves_what_work_in_flight_uses_to_the_device(make, device, caplog):
    caplog.set_level("INFO", "rkruntime.memory")
    manager, event = make(), Event(None)
    manager.deallocate(manager.allocate(MIB), after=event)
    assert manager.close() == ()
    assert device.taken == MIB
    assert [record.rk_fields for record in caplog.records] == [{"left_bytes": MIB}]


def test_a_block_in_use_by_a_whole_quarantine_costs_a_bounded_look(make):
    manager = make(2**40, on=Double(backed=False))
    looks = [0]

    class Counting(Event):
        @property
        def done(self):
            looks[0] += 1
            return False

    for buffer in [manager.allocate(MIB) for _ in range(1000)]:
        manager.deallocate(buffer, after=Counting(None))
    looks[0] = 0
    manager.allocate(MIB)
    assert looks[0] <= 64
