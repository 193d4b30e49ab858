"""The memory manager: one device's pools, their limit, who owns what, and what happens under pressure.

Everything here runs on the Trio thread; nothing is locked.
"""

from __future__ import annotations

import operator
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio

from rkruntime.config import MemoryConfig
from rkruntime.device import Device, DeviceEvent, DeviceStream
from rkruntime.errors import BufferMisuse, DeviceLost, OutOfDeviceMemory
from rkruntime.log import get_logger
from rkruntime.memory._account import Account, MemoryStats, OwnerStats
from rkruntime.memory._buffer import Buffer, Leak, foreign, leaks_of, not_to_free
from rkruntime.memory._classes import SPLIT_ABOVE_BYTES
from rkruntime.memory._owner import OwnedMemory
from rkruntime.memory._pool import Block, NoRoom, PoolSet, SizePool
from rkruntime.memory._pressure import PressureLevel
from rkruntime.memory._report import OutOfMemoryReport, mends, trend_of
from rkruntime.memory._staging import StagingPool
from rkruntime.memory._watch import Clock, OnChange, OnPressure, PressureWatch

__all__ = ("KernelMemoryManager",)

SETTLE_S = 10.0
"""Seconds that an allocation out of room waits for work in flight to give its blocks back."""

_SAMPLES = 64
_SAMPLE_EVERY_S = 0.1

_new_buffer = object.__new__
_frame = sys._getframe


class KernelMemoryManager:
    """Device memory for actors, scopes and the caller.

    Args:
        config: Limits, pooling, pressure levels.
        device: Where memory comes from; the manager does not close it.
        clock: Seconds now, for the trend and for cold classes.
        on_record: Called with each `PressureChange`.
    """

    settle_s = SETTLE_S

    def __init__(
        self, config: MemoryConfig, device: Device, *, clock: Clock = time.monotonic, on_record: OnChange | None = None
    ) -> None:
        self.config = config
        self.device = device
        self.limit_bytes = config.max_gpu_memory
        self.staging = StagingPool(device, config.max_staging_memory)
        self.caller = OwnedMemory(self, "caller", "caller")
        self._clock = clock
        self._pools = PoolSet(device, self.limit_bytes, pooling=config.pooling_enabled, scrub=config.scrub)
        self._by_bits = self._pools.by_bits
        self._account = Account()
        self._owners: dict[OwnedMemory, None] = {self.caller: None}
        self._stream: DeviceStream | None = None
        self._samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES)
        self._log = get_logger("rkruntime.memory")
        self._closed = False
        self._watch = PressureWatch(config, self._account, self.trim, on_record)
        self._reassess = self._watch.reassess

    # Allocation

    def allocate(self, size_bytes: int, owner: OwnedMemory | None = None, stream: DeviceStream | None = None) -> Buffer:
        """Hand out device memory; its contents are undefined.

        Args:
            size_bytes: Bytes asked for; the block behind them is that or larger.
            owner: Who holds it; the caller by default.
            stream: Where it is used first, if only there: a block last used on that stream needs no wait.

        Raises:
            OutOfDeviceMemory: It fits neither the pools nor the limit; the report says what would make it fit.
            BufferMisuse: The size is no whole number of bytes, or the manager is closed.
        """
        # The hot path, kept flat on purpose: each attribute or call saved here is paid at every allocation.
        try:
            if 0 <= size_bytes <= SPLIT_ABOVE_BYTES:
                pool = self._by_bits[(size_bytes - 1).bit_length()]
            else:
                pool = self._pools.pool_of(_whole(size_bytes))
        except (AttributeError, TypeError):
            return self.allocate(_whole(size_bytes), owner, stream)
        idle = pool.idle
        block = idle.pop() if idle else self._find(pool, size_bytes, stream)
        pool.hot = True
        buffer: Buffer = _new_buffer(Buffer)
        if owner is None:
            owner = self.caller
            frame = _frame(1)
            buffer._code, buffer._lasti = frame.f_code, frame.f_lasti
        elif not owner.live:
            self._owners[owner] = None
        buffer.block = block
        buffer.size_bytes = size_bytes
        buffer.owner = owner
        weight = block.weight
        owner.live.add(buffer)
        owner.held += weight
        account = self._account
        if size_bytes != block.size_bytes:
            account.slack += weight - size_bytes
        account.allocated = allocated = account.allocated + weight
        if allocated > account.peak:
            account.peak = allocated
        if allocated >= account.rise_at:
            self._reassess()
        return buffer

    def deallocate(self, buffer: Buffer, after: DeviceEvent | None = None, stream: DeviceStream | None = None) -> None:
        """Take memory back.

        Args:
            buffer: What `allocate` gave, not freed yet.
            after: A last use that may not have finished: the block is in quarantine until it has.
            stream: Where that use runs, if it is known.

        Raises:
            BufferMisuse: The buffer was freed before, or is none of this manager's.
        """
        try:
            block, owner = buffer.block, buffer.owner
        except AttributeError:
            raise foreign(buffer) from None
        if block is None or owner.manager is not self:
            raise not_to_free(buffer, self)
        if after is not None:
            buffer.touch(after, stream)
        buffer.block = None
        weight = block.weight
        owner.live.remove(buffer)
        owner.held -= weight
        account = self._account
        if buffer.size_bytes != block.size_bytes:
            account.slack -= weight - buffer.size_bytes
        account.allocated = allocated = account.allocated - weight
        pool = block.pool
        if block.uses is None and pool.keeps:
            pool.idle.append(block)
        else:
            block.dirty = self._pools.scrub
            self._pools.settle(block)
        if allocated < account.fall_below:
            self._reassess()

    def _find(self, pool: SizePool, size_bytes: int, stream: DeviceStream | None) -> Block:
        if self._closed:
            raise BufferMisuse("allocation from a closed memory manager", f"{size_bytes:,} bytes", "use it before")
        self._sample()
        try:
            return self._pools.find(pool, size_bytes, stream)
        except NoRoom as shortage:
            report = self._report(size_bytes, shortage)
            cause = shortage.__cause__
        raise OutOfDeviceMemory(
            size_bytes, report.allocated_bytes, report.cached_bytes, self.limit_bytes, str(report), report
        ) from cause

    def _report(self, size_bytes: int, shortage: NoRoom) -> OutOfMemoryReport:
        allocated, reserved = self._account.allocated_bytes, self._pools.reserved_bytes
        report = OutOfMemoryReport(
            wanted_bytes=size_bytes,
            block_bytes=shortage.size_bytes,
            limit_bytes=self.limit_bytes,
            allocated_bytes=allocated,
            cached_bytes=reserved - allocated,
            quarantined_bytes=self._pools.held_bytes,
            reserved_bytes=reserved,
            device_refused=shortage.device_refused,
            owners=self._owner_stats(),
            trend=trend_of([*self._samples, (self._clock(), allocated)]),
        )
        return attrs.evolve(report, mends=mends(report))

    async def settle_uses(self, buffer: Buffer, stream: DeviceStream) -> None:
        """Wait until the buffer's uses on other streams than `stream` are done; their errors are their launcher's."""
        for event, used_on in buffer.uses:
            if used_on is not stream:
                await self._wait_done(event)

    async def wait_for_quarantine(self, shortage: OutOfDeviceMemory, deadline_s: float) -> bool:
        """Wait until a quarantined block comes free; false where none would help, or the deadline passed."""
        report = shortage.details
        if not isinstance(report, OutOfMemoryReport) or not report.quarantined_bytes:
            return False
        if report.allocated_bytes + report.block_bytes > self.limit_bytes:
            return False
        events = self._pools.held_events()
        if not events or trio.current_time() >= deadline_s:
            return False
        with trio.move_on_at(deadline_s) as scope:
            await self._wait_done(events[0])
        return not scope.cancelled_caught

    async def _wait_done(self, event: DeviceEvent) -> None:
        try:
            await self.device.wait(event)
        except Exception:
            if event.error is None:
                raise

    # Owners

    def owner(self, name: str, kind: str = "actor", stream: DeviceStream | None = None) -> OwnedMemory:
        """Make an owner, such as an actor's memory; it costs nothing until it allocates."""
        return OwnedMemory(self, name, kind, stream)

    @asynccontextmanager
    async def scope(self, name: str = "scope", stream: DeviceStream | None = None) -> AsyncIterator[OwnedMemory]:
        """Own memory for the length of a block; what is not freed by its end is freed there."""
        await trio.lowlevel.checkpoint_if_cancelled()
        memory = OwnedMemory(self, name, "scope", stream)
        try:
            yield memory
        finally:
            memory.free_all()

    def forget(self, owner: OwnedMemory) -> None:
        """Drop an owner that holds nothing from the books; it returns there when it allocates again."""
        if owner is not self.caller and not owner.live:
            self._owners.pop(owner, None)

    @property
    def stream(self) -> DeviceStream:
        """The stream for copies of owners that have none of their own."""
        if self._stream is None:
            self._stream = self.device.stream()
        return self._stream

    # Pressure

    @property
    def level(self) -> PressureLevel:
        """The pressure level now."""
        return self._watch.level

    def check_admission(self) -> None:
        """Refuse new kernel actors at Critical and above.

        Raises:
            MemoryPressure: Memory is at Critical or Emergency.
        """
        if self._watch.actions.refuses_actors:
            raise self._watch.error()

    def on_pressure(self, callback: OnPressure, level: PressureLevel = PressureLevel.EMERGENCY) -> Callable[[], None]:
        """Call `callback(level)` each time memory rises to `level` or above, from inside the allocation that did it.

        It may free buffers. What it raises is logged and dropped.

        Returns:
            A function that takes the callback off again.
        """
        return self._watch.add(callback, level)

    def deferred_turn(self, deadline_s: float) -> AbstractAsyncContextManager[None]:
        """Wait, behind others, until memory is below Warning, then hold the turn for the length of the block.

        Raises:
            MemoryPressure: The deadline passed, or memory came to Emergency.
        """
        return self._watch.deferred_turn(deadline_s)

    # Care

    def tick(self, now_s: float | None = None) -> int:
        """Do what is due every few seconds: sample the trend, and with `auto_defrag` release what lies cold.

        Returns:
            Bytes given back to the device.
        """
        now_s = self._clock() if now_s is None else now_s
        self._samples.append((now_s, self._account.allocated_bytes))
        if self._watch.actions.releases_idle:
            return self._pools.release()
        if self.config.auto_defrag:
            return self._pools.tick(now_s)
        self._pools.collect()
        return 0

    def _sample(self) -> None:
        now_s = self._clock()
        if not self._samples or now_s - self._samples[-1][0] >= _SAMPLE_EVERY_S:
            self._samples.append((now_s, self._account.allocated_bytes))

    def trim(self) -> int:
        """Give all idle memory back to the device; returns the bytes."""
        return self._pools.release() + self.staging.trim()

    @property
    def allocated_bytes(self) -> int:
        """Bytes of the blocks in use."""
        return self._account.allocated_bytes

    @property
    def reserved_bytes(self) -> int:
        """Bytes taken from the device."""
        return self._pools.reserved_bytes

    def stats(self) -> MemoryStats:
        """Return where the memory is now; off the Trio thread, each number holds, but they need not add up."""
        allocated, reserved = self._account.allocated_bytes, self._pools.reserved_bytes
        return MemoryStats(
            level=self._watch.level,
            limit_bytes=self.limit_bytes,
            requested_bytes=self._account.requested_bytes,
            allocated_bytes=allocated,
            cached_bytes=reserved - allocated,
            quarantined_bytes=self._pools.held_bytes,
            reserved_bytes=reserved,
            peak_bytes=self._account.peak_bytes,
            live_buffers=sum(len(owner.live) for owner in tuple(self._owners)),
            device_allocations=self._pools.device_allocations,
            staging_reserved_bytes=self.staging.reserved_bytes,
            staging_used_bytes=self.staging.used_bytes,
            staging_limit_bytes=self.staging.limit_bytes,
            classes=tuple(pool.stats for pool in sorted(self._pools.pools, key=lambda pool: pool.block_bytes)),
            owners=self._owner_stats(),
        )

    def _owner_stats(self) -> tuple[OwnerStats, ...]:
        rows = [
            OwnerStats(name=each.name, kind=each.kind, allocated_bytes=each.allocated_bytes, buffers=len(each.live))
            for each in tuple(self._owners)
            if each.live
        ]
        return tuple(sorted(rows, key=lambda row: -row.allocated_bytes))

    async def aclose(self, deadline_s: float = SETTLE_S) -> tuple[Leak, ...]:
        """Wait, for at most `deadline_s` seconds, for work that still uses freed blocks; then `close`.

        A cancelled caller waits as long: what is not given back here is left to the device's own close.
        """
        leaks = self.close()
        with trio.move_on_after(deadline_s, shield=True):
            try:
                while events := self._pools.held_events():
                    await self._wait_done(events[0])
                    self._pools.close()
            except DeviceLost as loss:
                self._log.warning("freed memory went with the device", cause=str(loss))
        return leaks

    def close(self) -> tuple[Leak, ...]:
        """Free everything and give it back to the device; a second call does nothing.

        Blocks that work in flight still uses are left to the device's own close; `aclose` waits for them.

        Returns:
            What its owners had not freed, with the place that allocated it.
        """
        if self._closed:
            return ()
        leaks = tuple(leak for owner in self._owners for leak in leaks_of(owner))
        self._pools.scrub = False  # nobody comes after
        for owner in tuple(self._owners):
            owner.free_all()
        self._closed = True
        self._watch.cancel_deferred()
        self.staging.close()
        left = self._pools.close()
        if self._stream is not None:
            self._stream.close()
        if left:
            self._log.info("work in flight uses freed memory", left_bytes=left)
        return leaks


def _whole(size_bytes: object) -> int:
    try:
        count = operator.index(size_bytes)  # type: ignore[arg-type]
    except TypeError:
        count = -1
    if count < 0:
        raise BufferMisuse("no size in bytes", repr(size_bytes), "give a whole number, 0 or more")
    return count
