"""The pools beside a plain dict: bytes add up, nothing overlaps, nothing is handed out twice or too early."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from memory_double import Double, Event

from rkruntime.config import MemoryConfig
from rkruntime.errors import BufferMisuse, OutOfDeviceMemory
from rkruntime.memory import KernelMemoryManager, PressureLevel, block_bytes
from rkruntime.memory._classes import larger_classes
from rkruntime.memory._pressure import edges_for, next_level

KIB, MIB = 2**10, 2**20
SIZES = st.one_of(
    st.integers(0, 4 * KIB),
    st.sampled_from([255, 256, 257, 64 * KIB, 64 * KIB + 1, MIB, MIB + 1]),
    st.integers(0, 6 * MIB),
)


class PoolMachine(RuleBasedStateMachine):
    buffers = Bundle("buffers")

    @initialize(
        limit=st.sampled_from([64 * KIB, MIB, 24 * MIB, 2**40]),
        capacity=st.sampled_from([8 * MIB, 2**50]),
        pooling=st.booleans(),
        scrub=st.booleans(),
        hysteresis=st.sampled_from([0.02, 0.2]),
    )
    def start(self, limit, capacity, pooling, scrub, hysteresis):
        self.device = Double(capacity, backed=False)
        self.limit = limit
        self.pooling = pooling
        self.scrub = scrub
        self.now = 0.0
        self.manager = KernelMemoryManager(
            MemoryConfig(max_gpu_memory=limit, pooling_enabled=pooling, scrub=scrub, hysteresis=hysteresis),
            self.device,
            clock=lambda: self.now,
        )
        self.edges = edges_for(limit, 0.70, 0.85, 0.95, hysteresis)
        self.level = PressureLevel.NORMAL
        self.streams = [self.device.stream(), self.device.stream()]
        self.owners = [self.manager.owner("a"), self.manager.owner("b")]
        self.model = {}
        self.in_use = {}

    def _moved(self):
        self.level = next_level(self.level, sum(each[1] for each in self.model.values()), self.edges)

    @rule(target=buffers, size=SIZES, who=st.sampled_from([None, 0, 1]), on=st.sampled_from([None, 0, 1]))
    def allocate(self, size, who, on):
        owner = None if who is None else self.owners[who]
        stream = None if on is None else self.streams[on]
        try:
            buffer = self.manager.allocate(size, owner, stream)
        except OutOfDeviceMemory as shortage:
            details = shortage.details
            assert (details.wanted_bytes, details.limit_bytes) == (size, self.limit)
            assert details.device_refused or details.reserved_bytes + details.block_bytes > self.limit
            assert details.cached_bytes >= details.quarantined_bytes
            assert details.mends
            return None
        begin, held = buffer.address, buffer.block.size_bytes
        if self.pooling:
            assert held in (block_bytes(size), *larger_classes(block_bytes(size)))
        else:
            assert held == max(-(-size // 256) * 256, 256)
        assert begin % 256 == 0
        for other, other_held, *_ in self.model.values():
            assert begin + held <= other or other + other_held <= begin
        for event, start, length, event_stream in self.in_use.values():
            if not event.done and start < begin + held and begin < start + length:
                assert event_stream is not None
                assert event_stream is stream
                assert not self.scrub
        self.model[buffer] = (begin, held, size, owner or self.manager.caller)
        self._moved()
        return buffer

    @rule(buffer=buffers, on=st.sampled_from([None, 0, 1]))
    def touch(self, buffer, on):
        if buffer is None:
            return
        event = Event(None)
        if buffer not in self.model:
            with pytest.raises(BufferMisuse):
                buffer.touch(event)
            return
        stream = None if on is None else self.streams[on]
        if stream is not None:
            # Work on one stream is done in order: what was noted there before is covered by this.
            before = self._on(stream)
            event.calls.append(lambda: [each.fire() for each in before if not each.done])
        buffer.touch(event, stream)
        begin, held, *_ = self.model[buffer]
        self.in_use[len(self.in_use)] = (event, begin, held, stream)

    def _on(self, stream):
        return [event for event, _, _, used_on in self.in_use.values() if used_on is stream]

    @rule(data=st.data())
    def finish(self, data):
        waiting = [event for event, *_ in self.in_use.values() if not event.done]
        if waiting:
            data.draw(st.sampled_from(waiting)).fire()

    @rule(buffer=consumes(buffers), foreign=st.booleans())
    def free(self, buffer, foreign):
        if buffer is None:
            return
        if buffer not in self.model:
            with pytest.raises(BufferMisuse, match="double free"):
                self.manager.deallocate(buffer)
            return
        self.manager.deallocate(buffer)
        del self.model[buffer]
        self._moved()
        with pytest.raises(BufferMisuse):
            _ = buffer.address

    @rule(who=st.sampled_from([0, 1]))
    def free_all(self, who):
        mine = [buffer for buffer, (*_, owner) in self.model.items() if owner is self.owners[who]]
        assert self.owners[who].free_all() == len(mine)
        for buffer in mine:
            del self.model[buffer]
            self._moved()
        # One fall through several levels and several falls end alike: hysteresis only looks at where one is.

    @rule()
    def trim(self):
        self.manager.trim()

    @rule(seconds=st.floats(0, 120))
    def tick(self, seconds):
        self.now += seconds
        self.manager.tick(self.now)

    @invariant()
    def books_balance(self):
        if not hasattr(self, "manager"):
            return
        stats = self.manager.stats()
        assert stats.requested_bytes == sum(size for _, _, size, _ in self.model.values())
        assert stats.allocated_bytes == sum(held for _, held, _, _ in self.model.values())
        assert stats.reserved_bytes == self.device.taken <= self.limit
        assert stats.allocated_bytes + stats.cached_bytes == stats.reserved_bytes
        assert 0 <= stats.quarantined_bytes <= stats.cached_bytes
        assert stats.peak_bytes >= stats.allocated_bytes
        assert stats.live_buffers == len(self.model)
        assert sum(row.allocated_bytes for row in stats.classes) == stats.allocated_bytes
        assert sum(row.reserved_bytes for row in stats.classes) == stats.reserved_bytes
        for row in stats.classes:
            assert row.live >= 0
            assert row.block_bytes == 0 or row.allocated_bytes == row.live * row.block_bytes
        for owner in (*self.owners, self.manager.caller):
            assert owner.allocated_bytes == sum(held for _, held, _, who in self.model.values() if who is owner)

    @invariant()
    def every_live_buffer_lies_within_device_memory(self):
        if hasattr(self, "manager"):
            spans = [(start, start + size) for start, (size, _) in self.device.live.items()]
            for begin, held, *_ in self.model.values():
                assert any(start <= begin and begin + held <= end for start, end in spans)

    @invariant()
    def memory_in_use_by_work_is_never_given_back(self):
        if hasattr(self, "manager"):
            spans = [(start, start + size) for start, (size, _) in self.device.live.items()]
            for event, begin, held, _ in self.in_use.values():
                assert event.done or any(start <= begin and begin + held <= end for start, end in spans)

    @invariant()
    def level_is_what_the_pure_function_says(self):
        if hasattr(self, "manager"):
            assert self.manager.level is self.level

    def teardown(self):
        if not hasattr(self, "manager"):
            return
        for event, *_ in list(self.in_use.values()):
            if not event.done:
                event.fire()
        assert len(self.manager.close()) == len(self.model)
        assert not self.device.live
        assert not self.device.staging
        assert self.manager.close() == ()


PoolMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
TestPoolMachine = PoolMachine.TestCase
