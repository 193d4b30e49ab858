"""Device arrays, owners, staging, and waiting for memory in use."""

import sys

import numpy as np
import pytest
import trio
from memory_double import Double, Event, Stream
from trio.testing import wait_all_tasks_blocked

from rkruntime.errors import BufferMisuse, DeviceLost, MemoryPressure, OutOfDeviceMemory
from rkruntime.memory import StagingPool
from rkruntime.memory._staging import CHUNK_BYTES

MIB = 2**20


@pytest.fixture(params=["host", "remote"])
def either(request):
    """A device whose memory the host can, and one whose memory it cannot, reach."""
    return Double(host_accessible=request.param == "host")


@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 4), (2, 0, 5), (5, 3, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.complex128, np.bool_, np.dtype([("a", "i4"), ("b", "f8")])])
async def test_arrays_go_there_and_back(make, either, shape, dtype):
    manager = make(on=either)
    host = np.frombuffer(np.random.default_rng(1).bytes(16 * 100), np.uint8)[: np.dtype(dtype).itemsize * 60]
    host = (host & 1).view(dtype)[: int(np.prod(shape))].reshape(shape)
    array = await manager.owner("a").array(host)
    assert (array.shape, array.dtype, array.size, array.nbytes, array.ndim) == (
        shape,
        host.dtype,
        host.size,
        host.nbytes,
        host.ndim,
    )
    assert array.strides == np.empty(shape, dtype).strides or not host.size
    np.testing.assert_array_equal(await array.copy_to_host(), host)
    out = np.empty(shape, dtype)
    assert await array.copy_to_host(out) is out
    np.testing.assert_array_equal(out, host)


async def test_zeros_are_zeros_on_a_block_used_before(make, either):
    manager = make(on=either)
    memory = manager.owner("a")
    first = await memory.array(np.full(1000, 7, np.int32))
    first.free()
    zeros = await memory.zeros(1000, np.int32)
    assert not (await zeros.copy_to_host()).any()
    assert (await memory.zeros((2, 0))).shape == (2, 0)


async def test_a_transposed_host_array_is_copied_in_order(make, either):
    host = np.arange(12.0).reshape(3, 4).T
    array = await make(on=either).caller.array(host)
    np.testing.assert_array_equal(await array.copy_to_host(), host)


async def test_a_list_becomes_an_array_of_the_dtype_asked(make):
    array = await make().caller.array([1, 2, 3], np.float64)
    assert (await array.copy_to_host()).tolist() == [1.0, 2.0, 3.0]
    assert len(array) == 3


async def test_a_freed_array_raises_on_every_use(make):
    manager = make()
    array = await manager.caller.zeros((4, 4))
    assert array.view.shape == (4, 4)
    array.free()
    assert array.freed
    uses = [
        lambda: array.view,
        lambda: array.free(),
        lambda: array.touch(Event(None)),
        lambda: array.reshape(16),
    ]
    for use in uses:
        with pytest.raises(BufferMisuse):
            use()
    with pytest.raises(BufferMisuse):
        await array.copy_to_host()
    with pytest.raises(BufferMisuse):
        await array.copy_from_host(np.zeros((4, 4), np.float32))
    assert "freed" in repr(array)
    assert "freed" in array._repr_html_()


async def test_reshaped_arrays_share_one_buffer(make):
    array = await make().caller.array(np.arange(12))
    square = array.reshape(3, -1)
    np.testing.assert_array_equal(await square.copy_to_host(), np.arange(12).reshape(3, 4))
    assert array.reshape((2, 6)).shape == (2, 6)
    for wrong in ((5, 3), (-1, 5), (-2, -6), (-1, 0)):
        with pytest.raises(BufferMisuse):
            array.reshape(*wrong)
    square.free()
    assert array.freed


async def test_arrays_describe_themselves(make):
    array = await make().owner("<heat>").empty((3, 4), np.float64)
    assert repr(array) == "DeviceArray(shape=(3, 4), dtype=float64, 96 B of actor '<heat>')"
    assert "&lt;heat&gt;" in array._repr_html_()
    assert "DeviceArray (3, 4) float64" in repr(array.buffer)
    assert "actor '<heat>': 256 bytes in 1 buffers" in repr(array.owner)
    with pytest.raises(TypeError):
        len(await make().caller.empty(()))


@pytest.mark.parametrize(
    "host",
    [np.zeros(5, np.float32), np.zeros(4, np.float64), [0.0] * 4, np.zeros((4, 1), np.float32)],
)
async def test_host_arrays_that_do_not_match_are_refused(make, host):
    array = await make().caller.zeros(4)
    with pytest.raises(BufferMisuse):
        await array.copy_from_host(host)
    with pytest.raises(BufferMisuse):
        await array.copy_to_host(host)


async def test_out_must_be_writable_and_contiguous(make):
    array = await make().caller.zeros(4)
    frozen = np.zeros(4, np.float32)
    frozen.flags.writeable = False
    for out in (frozen, np.zeros(8, np.float32)[::2]):
        with pytest.raises(BufferMisuse, match="C-contiguous and writable"):
            await array.copy_to_host(out)


@pytest.mark.parametrize("shape", [-1, (3, -2), 1.5, ("a",), None])
async def test_shapes_that_are_none_are_refused(make, shape):
    with pytest.raises(BufferMisuse):
        await make().caller.empty(shape)


@pytest.mark.parametrize("dtype", ["no such", object, np.dtype("U0")])
async def test_dtypes_that_devices_cannot_hold_are_refused(make, dtype):
    with pytest.raises(BufferMisuse):
        await make().caller.empty(3, dtype)


async def test_a_scope_frees_what_it_holds_also_when_it_fails(make, device):
    manager = make()
    async with manager.scope("work") as memory:
        array = await memory.zeros(10)
        assert manager.stats().owners[0].kind == "scope"
    assert array.freed

    async def crash():
        async with manager.scope() as memory:
            await memory.zeros(10)
            raise KeyError

    with pytest.raises(KeyError):
        await crash()
    assert manager.allocated_bytes == 0
    assert manager.close() == ()


async def test_free_all_waits_for_the_owner_s_last_work(make):
    manager, event = make(), Event(None)
    memory = manager.owner("crashed")
    array = await memory.empty(MIB, np.uint8)
    address = array.buffer.address
    assert memory.free_all(after=event) == 1
    assert memory.bytes == 0
    assert manager.allocate(MIB).address != address
    event.fire()
    assert manager.allocate(MIB).address == address


async def test_an_array_leaked_by_its_caller_names_file_and_line(make):
    manager = make()
    line = sys._getframe().f_lineno + 1
    array = await manager.caller.zeros((2, 3), np.int16)
    assert array.place == f"{__file__}:{line}"
    (leak,) = manager.close()
    assert (leak.place, leak.what, leak.size_bytes) == (f"{__file__}:{line}", "DeviceArray (2, 3) int16", 12)


async def test_an_owner_s_stream_lets_its_blocks_return_at_once(make, device):
    manager = make()
    stream = Stream()
    memory = manager.owner("a", stream=stream)
    array = await memory.empty(MIB, np.uint8)
    address = array.buffer.address
    array.touch(Event(stream), stream)
    array.free()
    assert (await manager.caller.empty(MIB, np.uint8)).buffer.address != address
    assert (await memory.empty(MIB, np.uint8)).buffer.address == address


async def test_copies_wait_for_work_on_other_streams(make, autojump_clock):
    manager = make()
    array = await manager.caller.zeros(4)
    event = Event(None)
    array.touch(event)
    seen = []

    async def copy():
        seen.append(await array.copy_to_host())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(copy)
        await trio.sleep(1)
        assert not seen
        event.fire(RuntimeError("the launcher was told"))
    assert len(seen) == 1


async def test_an_allocation_out_of_room_waits_for_work_in_flight(make, autojump_clock):
    manager = make(4 * MIB)
    array = await manager.caller.empty(4 * MIB, np.uint8)
    event = Event(None)
    array.free(after=event)
    begin = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def finish():
            await trio.sleep(3)
            event.fire()

        nursery.start_soon(finish)
        await manager.caller.empty(4 * MIB, np.uint8)
    assert trio.current_time() - begin == 3.0


async def test_that_wait_is_bounded(make, autojump_clock):
    manager = make(4 * MIB)
    (await manager.caller.empty(4 * MIB, np.uint8)).free(after=Event(None))
    begin = trio.current_time()
    with pytest.raises(OutOfDeviceMemory) as caught:
        await manager.caller.empty(4 * MIB, np.uint8)
    assert trio.current_time() - begin == manager.settle_s
    assert "wait for work in flight" in caught.value.details.mends[0]


async def test_a_device_lost_while_waiting_says_so(make, device, monkeypatch):
    manager = make(4 * MIB)
    (await manager.caller.empty(4 * MIB, np.uint8)).free(after=Event(None))

    async def lost(event):
        await trio.lowlevel.checkpoint()
        raise DeviceLost("double", "unplugged")

    monkeypatch.setattr(device, "wait", lost)
    with pytest.raises(DeviceLost):
        await manager.caller.empty(4 * MIB, np.uint8)
    assert await manager.aclose() == ()


@pytest.mark.parametrize("scrub", [True, False])
async def test_aclose_waits_for_work_in_flight(make, autojump_clock, scrub):
    device = Double(manual=True)
    manager, event = make(on=device, scrub=scrub), Event(None)
    (await manager.caller.empty(MIB, np.uint8)).free(after=event)
    await manager.caller.empty(3, np.uint8)
    async with trio.open_nursery() as nursery:

        async def finish():
            await trio.sleep(3)
            event.fire()

        nursery.start_soon(finish)
        (leak,) = await manager.aclose()
    assert trio.current_time() == pytest.approx(3.0)
    assert leak.size_bytes == 3
    assert not device.live


async def test_aclose_waits_no_longer_than_it_may(make, device, autojump_clock):
    manager = make()
    (await manager.caller.empty(MIB, np.uint8)).free(after=Event(None))
    with trio.move_on_after(1):
        await manager.aclose(4.0)
    assert trio.current_time() == pytest.approx(4.0)
    assert device.taken == MIB


async def test_copies_follow_their_own_stream_without_waiting(make, device, autojump_clock):
    manager, stream = make(), Stream()
    array = await manager.owner("a", stream=stream).empty(4)
    array.touch(Event(stream), stream)
    with trio.fail_after(1):
        await array.copy_to_host()


async def test_a_request_beyond_the_limit_does_not_wait(make, autojump_clock):
    manager = make(4 * MIB)
    (await manager.caller.empty(4 * MIB, np.uint8)).free(after=Event(None))
    with trio.fail_after(1), pytest.raises(OutOfDeviceMemory):
        await manager.caller.empty(5 * MIB, np.uint8)


async def test_no_wait_where_work_in_flight_would_not_help(make, autojump_clock):
    manager = make(4 * MIB)
    kept = await manager.caller.empty(3 * MIB, np.uint8)
    (await manager.caller.empty(MIB, np.uint8)).free(after=Event(None))
    begin = trio.current_time()
    with pytest.raises(OutOfDeviceMemory):
        await manager.caller.empty(2 * MIB, np.uint8)
    assert trio.current_time() == begin
    assert not kept.freed


@pytest.mark.parametrize("host_accessible", [True, False])
async def test_an_array_whose_filling_is_cancelled_is_freed_once_its_copy_ends(make, host_accessible):
    device = Double(host_accessible=host_accessible, manual=True)
    manager = make(on=device)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(manager.caller.array, np.arange(10))
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    stats = manager.stats()
    assert (stats.live_buffers, stats.quarantined_bytes) == (0, 256)
    assert bool(manager.staging.used_bytes) is not host_accessible
    device.events[0].fire()
    manager.tick()
    assert manager.stats().quarantined_bytes == 0
    assert manager.staging.used_bytes == 0


async def test_a_copy_that_fails_frees_the_array_and_says_why(make, either):
    either.manual = True
    manager = make(on=either)

    async def fail():
        await wait_all_tasks_blocked()
        either.events[0].fire(RuntimeError("the link broke"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail)
        with pytest.raises(RuntimeError, match="the link broke"):
            await manager.caller.array(np.arange(10))
    assert manager.allocated_bytes == 0


async def test_a_large_array_goes_through_staging_in_turns(make):
    device = Double(host_accessible=False)
    manager = make(on=device, max_staging_memory=MIB)
    host = np.arange(MIB, dtype=np.float32)[: MIB - 3]
    array = await manager.caller.array(host)
    np.testing.assert_array_equal(await array.copy_to_host(), host)
    assert device.max_chunk == MIB
    assert manager.stats().staging_reserved_bytes == MIB
    manager.close()
    assert not device.staging


async def test_freeing_an_array_during_its_copy_stops_the_copy(make):
    device = Double(host_accessible=False, manual=True)
    manager = make(on=device, max_staging_memory=1024)
    array = await manager.caller.empty(4096, np.uint8)

    async def free():
        await wait_all_tasks_blocked()
        array.free()
        device.events[0].fire()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(free)
        with pytest.raises(BufferMisuse, match="use after free"):
            await array.copy_to_host()
    assert len(device.events) == 1


async def test_staging_stays_within_its_bound_and_serves_in_order(autojump_clock):
    device = Double()
    staging = StagingPool(device, 1024)
    order = []

    async def hold(number, size_bytes):
        async with staging.hold(size_bytes) as piece:
            assert piece.array.size == piece.size_bytes >= min(size_bytes, 1024)
            assert sum(data.size for data in device.staging.values()) == staging.reserved_bytes <= 1024
            order.append(number)
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        for number, size_bytes in enumerate([512, 512, 1024, 256, 300, 10**9]):
            nursery.start_soon(hold, number, size_bytes)
            await wait_all_tasks_blocked()
    assert order == [0, 1, 2, 3, 4, 5]
    assert trio.current_time() > 3
    assert staging.used_bytes == 0
    staging.close()
    assert not device.staging


async def test_a_small_copy_does_not_overtake_a_large_one_that_waits(autojump_clock):
    staging, order = StagingPool(Double(), 1024), []

    async def hold(size_bytes):
        async with staging.hold(size_bytes):
            order.append(size_bytes)
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        for size_bytes in (512, 1024, 256):
            nursery.start_soon(hold, size_bytes)
            await wait_all_tasks_blocked()
    assert order == [512, 1024, 256]


async def test_a_cancelled_wait_for_staging_lets_the_next_up(autojump_clock):
    staging = StagingPool(Double(), 1024)
    got = []

    async def hold(number, patience_s):
        with trio.move_on_after(patience_s):
            async with staging.hold(1024):
                got.append(number)
                await trio.sleep(5)

    async with trio.open_nursery() as nursery:
        for number, patience_s in enumerate([100, 1, 100]):
            nursery.start_soon(hold, number, patience_s)
            await wait_all_tasks_blocked()
    assert got == [0, 2]
    assert trio.current_time() == pytest.approx(10.0)


async def test_staging_closed_while_a_copy_runs_is_given_back_after_it():
    device = Double()
    staging, event = StagingPool(device, 1024), Event(None)
    async with staging.hold(100) as piece:
        piece.in_use_until(event)
    staging.close()
    assert len(device.staging) == 1
    event.fire()
    assert not device.staging


def test_staging_pieces_are_powers_of_two_up_to_a_chunk():
    staging = StagingPool(Double(), 3 * 2**30)
    assert [staging.piece_bytes(size) for size in (0, 1, 3, 1000, 2**30)] == [1, 1, 4, 1024, CHUNK_BYTES]


async def test_deferred_arrays_of_zeros_and_hosts(make, autojump_clock):
    manager = make(100 * MIB)
    held = [manager.allocate(MIB) for _ in range(80)]
    with pytest.raises(MemoryPressure):
        await manager.caller.array(np.zeros(3), deferrable=True, deadline_s=1.0)
    for buffer in held:
        manager.deallocate(buffer)
    assert (await manager.caller.array(np.ones(3), deferrable=True)).size == 3
