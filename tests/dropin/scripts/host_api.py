"""What scripts ask of numba.cuda's host API; every line holds on a GPU too, but for the device's name."""

import asyncio
import gc
import threading

import numpy as np
import pytest
from numba import cuda, float32, void
from numba.cuda.cudadrv.devicearray import DeviceNDArray


@cuda.jit
def add_one(x):
    i = cuda.grid(1)
    if i < x.size:
        x[i] += 1


@cuda.jit(void(float32[:], float32))
def scale(x, by):
    i = cuda.grid(1)
    if i < x.size:
        x[i] *= by


@cuda.jit
def copy(target, source):
    i = cuda.grid(1)
    if i < target.size:
        target[i] = source[i]


@cuda.jit("void(int64[:], int32)")
def put(x, value):
    x[0] = value


@cuda.jit
def reverse(target, source):
    i = cuda.grid(1)
    if i < target.size:
        target[i] = source[source.size - 1 - i]


@cuda.jit
def shares(x):
    tile = cuda.shared.array(64, float32)
    i = cuda.threadIdx.x
    tile[i] = x[i]
    cuda.syncthreads()
    x[i] = tile[63 - i]


def device():
    assert cuda.is_available()
    assert len(cuda.gpus) == 1
    now = cuda.get_current_device()
    assert now.name.startswith("rkruntime CPU device")
    assert (now.WARP_SIZE, now.MAX_THREADS_PER_BLOCK, now.id) == (32, 1024, 0)
    assert now.compute_capability >= (7, 0)
    assert now.MULTIPROCESSOR_COUNT >= 1
    assert now.UNIFIED_ADDRESSING == 1
    with cuda.gpus[0]:
        assert cuda.current_context().device.id == 0
    assert cuda.select_device(0).id == 0
    assert cuda.detect()
    free, total = cuda.current_context().get_memory_info()
    assert 0 < free <= total


def arrays():
    x = np.arange(12.0).reshape(3, 4)
    d = cuda.to_device(x)
    assert isinstance(d, DeviceNDArray)
    assert cuda.is_cuda_array(d)
    assert not cuda.is_cuda_array(x)
    np.testing.assert_array_equal(d[1:, ::2].copy_to_host(), x[1:, ::2])
    np.testing.assert_array_equal(d.T.copy_to_host(), x.T)
    np.testing.assert_array_equal(d.reshape(4, 3).copy_to_host(), x.reshape(4, 3))
    assert d[2, 3] == 11.0
    d[0] = 5.0
    assert d.copy_to_host()[0].tolist() == [5.0] * 4
    assert cuda.device_array_like(x.T).strides == x.T.strides
    parts = [part.copy_to_host().tolist() for part in cuda.to_device(np.arange(5)).split(2)]
    assert parts == [[0, 1], [2, 3], [4]]
    assert d.__cuda_array_interface__["shape"] == (3, 4)
    assert cuda.as_cuda_array(d).copy_to_host().shape == (3, 4)
    record = np.array([(1, 2.5)], dtype=[("a", np.int32), ("b", np.float64)])
    assert cuda.to_device(record)[0]["b"] == 2.5
    other = cuda.device_array((3, 4))
    other.copy_to_device(d)
    assert other.copy_to_host().tolist() == d.copy_to_host().tolist()
    cuda.to_device(x, to=other)
    assert other.copy_to_host().tolist() == x.tolist()
    columns = cuda.device_array((3, 4), order="F")
    assert columns.is_f_contiguous()
    assert not columns.is_c_contiguous()


def host_memory():
    for make in (cuda.pinned_array, cuda.mapped_array, cuda.managed_array):
        x = make(100, np.float32)
        x[:] = 1
        add_one[1, 128](x)
        cuda.synchronize()
        assert set(x.tolist()) == {2.0}, make.__name__
    x = np.zeros(8, np.float32)
    with cuda.pinned(x):
        add_one[1, 8](x)
    with cuda.mapped(x) as mapped:
        add_one[1, 8](mapped)
    assert x.tolist() == [2.0] * 8


def hints():
    x, y = np.zeros(8), np.arange(8.0)
    copy[1, 8](cuda.Out(x), cuda.In(y))
    assert x.tolist() == y.tolist()
    add_one[1, 8](cuda.In(x))
    assert x.tolist() == y.tolist(), "what a kernel writes to an In argument is not seen"
    add_one[1, 8](cuda.InOut(x))
    assert x.tolist() == (y + 1).tolist()
    x = np.arange(8.0)
    reverse[1, 8](x, x)
    assert x.tolist() == y.tolist(), "each is copied to the device, and the second is copied back last"
    reverse[1, 8](cuda.Out(x), cuda.In(x))
    assert x.tolist() == y[::-1].tolist()
    copy[1, 8](x[::-1], y)
    assert x.tolist() == y[::-1].tolist()


def streams_and_events():
    stream, begin, end = cuda.stream(), cuda.event(), cuda.event()
    x = np.zeros(1000, np.float32)
    begin.record(stream)
    d = cuda.to_device(x, stream=stream)
    add_one[4, 256, stream](d)
    back = d.copy_to_host(stream=stream)
    end.record(stream)
    stream.synchronize()
    assert end.query()
    assert back.tolist() == [1.0] * 1000
    assert 0 < cuda.event_elapsed_time(begin, end) < 60_000
    assert begin.elapsed_time(end) > 0
    with stream.auto_synchronize():
        d.copy_to_host(x, stream=stream)
    told = []
    stream.add_callback(lambda of, status, arg: told.append((arg, status, threading.current_thread())), "arg")
    stream.synchronize()
    assert [(arg, status) for arg, status, _ in told] == [("arg", 0)]
    assert told[0][2] is not threading.current_thread()
    assert asyncio.run(done_with(stream)) is not None
    for other in (
        cuda.external_stream(0),
        cuda.default_stream(),
        cuda.legacy_default_stream(),
        cuda.per_thread_default_stream(),
    ):
        add_one[1, 32, other](d)
    assert d.copy_to_host()[0] == 5.0


async def done_with(stream):
    """Wait for a stream as programs on asyncio do."""
    return await stream.async_done()


class Foreign:
    """An array of another library."""

    def __init__(self, owner):
        self.owner = owner
        self.__cuda_array_interface__ = owner.__cuda_array_interface__


def interface():
    d = cuda.to_device(np.zeros(6, np.float32))
    add_one[1, 6](Foreign(d))
    assert cuda.as_cuda_array(Foreign(d)).copy_to_host().tolist() == [1.0] * 6
    strided = Foreign(d[::2])
    add_one[1, 3](strided)
    assert d.copy_to_host().tolist() == [2.0, 1.0] * 3


def dispatchers():
    x = np.ones(100, np.float32)
    scale[1, 128](x, 3)
    assert x.tolist() == [3.0] * 100
    assert scale.specialized
    assert [str(one) for one in scale.nopython_signatures] == [
        "(Array(float32, 1, 'A', False, aligned=True), float32) -> none"
    ]
    number = np.zeros(1, np.int64)
    put[1, 1](number, 0xFFFFFFFF)
    assert number[0] == -1, "numbers are converted as C does it"
    add_one.forall(x.size)(x)
    assert x.tolist() == [4.0] * 100
    special = add_one.specialize(x)
    special[1, 128](x)
    assert x[99] == 5.0
    assert add_one.py_func.__name__ == "add_one"
    assert special.get_max_threads_per_block() == 1024
    assert special.get_regs_per_thread() > 0
    with pytest.raises(NotImplementedError, match="compiled for the CPU"):
        special.inspect_sass()
    assert shares.specialize(x).get_shared_mem_per_block() == 64 * 4
    assert ".visible .entry" in next(iter(special.inspect_asm().values()))


def memory_is_given_back():
    gc.collect()
    cuda.current_context().memory_manager.deallocations.clear()
    before = cuda.current_context().get_memory_info().free
    d = cuda.device_array(1 << 20, np.uint8)
    assert cuda.current_context().get_memory_info().free < before
    del d
    gc.collect()
    cuda.current_context().memory_manager.deallocations.clear()
    assert cuda.current_context().get_memory_info().free == before
    with cuda.defer_cleanup():
        cuda.device_array(10)
    cuda.close()
    assert cuda.to_device(np.arange(3)).copy_to_host().tolist() == [0, 1, 2]


def imported_inside():
    from numba import cuda as gpu
    from numba.cuda import grid as where

    step = 10

    @gpu.jit("int64(int64)", device=True)
    def scaled(i):
        return step * i

    @gpu.jit
    def fill(x):
        i = where(1)
        x[i] = scaled(i)

    x = np.zeros(4)
    fill[1, 4](x)
    assert x.tolist() == [0, 10, 20, 30]


CHECKS = (
    device,
    arrays,
    host_memory,
    hints,
    streams_and_events,
    interface,
    dispatchers,
    memory_is_given_back,
    imported_inside,
)

if __name__ == "__main__":
    for check in CHECKS:
        check()
        print("ok", check.__name__)
