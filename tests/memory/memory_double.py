"""A device double for the memory tests: an address book, work whose end the test decides, a capacity."""

from __future__ import annotations

import ctypes

import numpy as np
import trio

from rkruntime.device import DeviceProperties


class Event:
    def __init__(self, stream, done=False, effect=None):
        self.stream = stream
        self.error = None
        self.timing = None
        self.fired = trio.Event()
        self.effect = effect
        self.calls = []
        if done:
            self.fire()

    @property
    def done(self):
        return self.fired.is_set()

    def fire(self, error=None):
        if self.effect is not None:
            self.effect()
            self.effect = None
        self.error = error
        self.fired.set()
        for call in self.calls:
            call()


class Stream:
    def __init__(self):
        self.closed = False

    def record(self):
        return Event(self)

    def close(self):
        self.closed = True


class Remote:
    """An array that the host cannot read: what `Device.array` gives where memory is not host-accessible."""

    def __init__(self, host):
        self.host = host


class Double:
    """Memory is real host memory, so scrubbing and copies can be seen; `manual` leaves events to the test."""

    def __init__(self, capacity=2**62, host_accessible=True, manual=False, backed=True):
        self.properties = DeviceProperties(
            name="double",
            kind="fake",
            total_memory_bytes=capacity,
            compute_units=1,
            host_accessible=host_accessible,
            cancels_kernels=False,
        )
        self.capacity = capacity
        self.manual = manual
        self.backed = backed
        self.live = {}
        self.staging = {}
        self.events = []
        self.streams = []
        self.next_address = 0x10000
        self.allocations = 0
        self.max_chunk = 0

    @property
    def taken(self):
        return sum(size for size, _ in self.live.values())

    def allocate(self, size_bytes):
        if self.taken + size_bytes > self.capacity:
            raise MemoryError("the double is full")
        self.allocations += 1
        if self.backed:
            data = np.full(size_bytes + 256, 0xAB, np.uint8)
            address = -(-data.ctypes.data // 256) * 256
        else:
            data, address = None, self.next_address
            self.next_address += -(-size_bytes // 256) * 256
        self.live[address] = (size_bytes, data)
        return address

    def free(self, address, size_bytes):
        size, _ = self.live.pop(address)
        assert size == size_bytes

    def allocate_staging(self, size_bytes):
        data = np.zeros(size_bytes, np.uint8)
        self.staging[data.ctypes.data] = data
        return data.ctypes.data

    def free_staging(self, address, size_bytes):
        assert self.staging.pop(address).size == size_bytes

    def bytes_at(self, address, size_bytes):
        return np.frombuffer((ctypes.c_ubyte * size_bytes).from_address(address), np.uint8)

    def array(self, address, shape, dtype):
        size = int(np.prod(shape)) * dtype.itemsize
        assert any(start <= address and address + size <= start + held for start, (held, _) in self.live.items())
        host = self.bytes_at(address, size).view(dtype).reshape(shape) if size else np.empty(shape, dtype)
        return host if self.properties.host_accessible else Remote(host)

    def stream(self):
        self.streams.append(Stream())
        return self.streams[-1]

    def _work(self, stream, effect):
        event = Event(stream, done=not self.manual, effect=effect)
        self.events.append(event)
        return event

    def copy_in(self, target, source, stream):
        assert source.flags.c_contiguous
        host = target if self.properties.host_accessible else target.host
        self.max_chunk = max(self.max_chunk, source.nbytes)
        return self._work(stream, lambda: np.copyto(host, source))

    def copy_out(self, target, source, stream):
        host = source if self.properties.host_accessible else source.host
        self.max_chunk = max(self.max_chunk, target.nbytes)
        return self._work(stream, lambda: np.copyto(target, host))

    def zero(self, address, size_bytes, stream):
        def clear():
            if self.backed:
                self.bytes_at(address, size_bytes)[:] = 0

        return self._work(stream, clear)

    async def wait(self, event):
        await event.fired.wait()
        if event.error is not None:
            raise event.error

    def on_done(self, event, call):
        if event.done:
            call()
        else:
            event.calls.append(call)
