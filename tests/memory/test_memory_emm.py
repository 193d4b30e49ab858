"""Numba's external memory manager, with the CUDA driver replaced by a double: no GPU is needed."""

import gc
import subprocess
import sys
import threading

import pytest
from memory_double import Double, Event

from rkruntime.config import MemoryConfig
from rkruntime.errors import OutOfDeviceMemory
from rkruntime.memory import emm

MIB = 2**20


class Context:
    """What Numba's context is to a memory manager."""


class Source(Double):
    """The part of the driver that the plug-in uses."""

    def record(self):
        self.events.append(Event(None, done=not self.manual))
        return self.events[-1]

    def info(self):
        return self.capacity - self.taken, self.capacity


@pytest.fixture
def source():
    return Source(64 * MIB, backed=False)


@pytest.fixture
def context():
    return Context()


@pytest.fixture
def plugin(source, context):
    class Plugin(emm.PooledMemoryManager):
        def open_source(self):
            return source

    plugin = Plugin(context=context)
    plugin.initialize()
    yield plugin
    emm.use(None)
    emm.configure(None)


def test_numba_takes_the_plug_in(monkeypatch):
    from numba.cuda.cudadrv import driver

    monkeypatch.setattr(driver, "_memory_manager", None)
    driver.set_memory_manager(emm._numba_memory_manager)
    assert driver._memory_manager is emm.PooledMemoryManager


def test_numba_finds_the_plug_in_by_its_name(monkeypatch):
    from numba.cuda.cudadrv import driver

    monkeypatch.setattr(driver, "_memory_manager", None)
    monkeypatch.setattr(driver.config, "CUDA_MEMORY_MANAGER", "rkruntime.memory.emm")
    driver._ensure_memory_manager()
    assert driver._memory_manager is emm.PooledMemoryManager


def test_a_dropped_pointer_s_block_serves_the_next_request(plugin, source):
    pointer = plugin.memalloc(MIB)
    address = pointer.device_pointer_value
    assert pointer.size == MIB
    del pointer
    gc.collect()
    assert plugin.memalloc(MIB).device_pointer_value == address
    assert source.allocations == 1


def test_a_view_keeps_the_block(plugin):
    pointer = plugin.memalloc(MIB)
    address = pointer.device_pointer_value
    view = pointer.own().view(256)
    del pointer
    gc.collect()
    assert plugin.memalloc(MIB).device_pointer_value != address
    del view
    gc.collect()
    assert plugin.memalloc(MIB).device_pointer_value == address


def test_a_block_waits_for_the_work_queued_before_it_was_dropped(plugin, source):
    source.manual = True
    address = (pointer := plugin.memalloc(MIB)).device_pointer_value
    del pointer
    second = plugin.memalloc(MIB)
    assert second.device_pointer_value != address
    source.events[0].fire()
    assert plugin.memalloc(MIB).device_pointer_value == address


def test_nothing_is_freed_while_clean_up_is_deferred(plugin, source):
    with plugin.defer_cleanup():
        plugin.memalloc(MIB)
        plugin.memalloc(MIB)
        assert source.taken == 2 * MIB
        assert not source.events
    plugin.memalloc(MIB)
    assert source.taken == 2 * MIB


def test_memory_info_counts_idle_blocks_as_free(plugin):
    kept = plugin.memalloc(8 * MIB)
    assert plugin.get_memory_info() == (56 * MIB, 64 * MIB)
    del kept
    plugin.memalloc(MIB)
    free, total = plugin.get_memory_info()
    assert total == 64 * MIB
    assert free == 63 * MIB


def test_a_configured_limit_holds(plugin, source):
    plugin.reset()
    emm.configure(MemoryConfig(max_gpu_memory=4 * MIB))
    kept = plugin.memalloc(3 * MIB)
    with pytest.raises(OutOfDeviceMemory) as caught:
        plugin.memalloc(2 * MIB)
    assert caught.value.details.owners[0].name == "numba"
    assert kept.size == 3 * MIB


def test_reset_gives_everything_back_and_old_pointers_do_no_harm(plugin, source):
    old = plugin.memalloc(MIB)
    plugin.reset()
    assert not source.live
    new = plugin.memalloc(MIB)
    del old
    assert plugin.memalloc(MIB).device_pointer_value != new.device_pointer_value


def test_a_runtime_s_pool_is_shared_on_its_thread_alone(plugin, make, device):
    manager = make()
    emm.use(manager)
    pointer = plugin.memalloc(MIB)
    assert manager.stats().owners[0].name == "numba"
    elsewhere = []
    thread = threading.Thread(target=lambda: elsewhere.append(plugin.memalloc(2 * MIB)))
    thread.start()
    thread.join()
    assert manager.allocated_bytes == MIB
    del pointer
    thread = threading.Thread(target=lambda: elsewhere.append(plugin.memalloc(MIB)))
    thread.start()
    thread.join()
    assert manager.allocated_bytes == MIB
    emm.use(None)
    plugin.memalloc(MIB)
    assert manager.allocated_bytes == 0


def test_a_device_that_itself_allocates_through_numba_ends_in_the_driver(plugin, make, source):
    class Nested(Double):
        def allocate(self, size_bytes):
            self.pointer = plugin.memalloc(size_bytes)
            return self.pointer.device_pointer_value

    device = Nested()
    manager = make(on=device)
    emm.use(manager)
    pointer = plugin.memalloc(MIB)
    assert source.taken == MIB
    assert pointer.size == MIB
    device.pointer = None
    assert source.taken == 0


def test_scrubbing_needs_a_stream_of_the_driver(context, monkeypatch):
    calls = []

    class Driver:
        def __getattr__(self, name):
            return lambda *args: calls.append((name, *args)) or (7, 9)

    class Timeline:
        def create_event(self, timing):
            assert timing is False
            return self

        def record(self):
            calls.append("record")

        def query(self):
            return True

    monkeypatch.setattr(emm.numba_driver, "driver", Driver())
    memory = emm.DriverMemory(Timeline())
    stream = memory.stream()
    event = memory.zero(4096, 256, stream)
    assert event.done
    assert memory.record().done
    assert memory.info() == (7, 9)
    memory.free(4096, 256)
    stream.close()
    assert calls == [
        ("cuMemsetD8Async", 4096, 0, 256, 0),
        "record",
        "record",
        ("cuMemGetInfo",),
        ("cuMemFree", 4096),
    ]


def test_the_driver_s_refusal_becomes_a_memory_error(context, monkeypatch):
    codes = emm.numba_driver.binding.CUresult

    class Driver:
        code = codes.CUDA_ERROR_OUT_OF_MEMORY

        def cuMemAlloc(self, size_bytes):
            if self.code is None:
                return 4096
            raise emm.numba_driver.CudaAPIError(self.code, "refused")

    monkeypatch.setattr(emm.numba_driver, "driver", Driver())
    memory = emm.DriverMemory(context)
    with pytest.raises(MemoryError):
        memory.allocate(10)
    Driver.code = codes.CUDA_ERROR_UNKNOWN
    with pytest.raises(emm.numba_driver.CudaAPIError):
        memory.allocate(10)
    Driver.code = None
    assert memory.allocate(10) == 4096


def test_the_driver_is_the_default_source(context):
    assert isinstance(emm.PooledMemoryManager(context=context).open_source(), emm.DriverMemory)
    assert emm.PooledMemoryManager(context=None).interface_version == 1


def test_importing_memory_imports_no_numba():
    code = "import rkruntime.memory, sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
