"""The pools: idle blocks by size class, slabs for the small ones, quarantine for blocks still in use by the device.

A freed block whose last use has not finished stays in quarantine. Work on one stream runs in order, so a request for
the same stream may have it at once; anybody else gets it once its events are done.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from rkruntime.device import Device, DeviceEvent, DeviceStream
from rkruntime.memory._account import ClassStats
from rkruntime.memory._classes import SPLIT_ABOVE_BYTES, block_bytes, is_carved, larger_classes, slab_bytes

__all__ = ("Block", "NoRoom", "PoolSet", "SizePool", "Use", "pending")

Use = tuple[DeviceEvent, DeviceStream | None]

SCAN_BLOCKS = 64
"""Quarantined blocks looked at before the device is asked: bounds a miss, however long the quarantine is."""

COLD_S = 60.0
"""Seconds without an allocation after which a class counts as cold."""


class NoRoom(Exception):
    """Neither the limit nor the device has room; the manager turns it into `OutOfDeviceMemory`."""

    def __init__(self, size_bytes: int, device_refused: bool) -> None:
        super().__init__(size_bytes, device_refused)
        self.size_bytes = size_bytes
        self.device_refused = device_refused


class Slab:
    """One block, cut into smaller ones as they are needed."""

    __slots__ = ("block", "capacity", "carved")

    def __init__(self, block: Block, capacity: int) -> None:
        self.block = block
        self.carved = 0
        self.capacity = capacity


class Block:
    """A piece of device memory of one class, for as long as it is reserved."""

    __slots__ = ("address", "dirty", "pool", "size_bytes", "slab", "uses", "weight")

    def __init__(self, address: int, size_bytes: int, pool: SizePool, slab: Slab | None) -> None:
        self.address = address
        self.size_bytes = size_bytes
        self.weight = float(size_bytes)  # what the counts that are floats add up
        self.pool = pool
        self.slab = slab
        self.uses: tuple[Use, ...] | None = None
        self.dirty = False


class SizePool:
    """One size class. `keeps` is false where a freed block needs more than being put back."""

    __slots__ = (
        "block_bytes",
        "blocks",
        "cold_since_s",
        "held",
        "hot",
        "idle",
        "keeps",
        "larger",
        "open_slab",
        "reserved_bytes",
    )

    def __init__(self, size_bytes: int, *, keeps: bool) -> None:
        self.block_bytes = size_bytes
        self.keeps = keeps
        self.larger = larger_classes(size_bytes)
        self.idle: list[Block] = []
        self.held: deque[Block] = deque()
        self.open_slab: Slab | None = None
        self.blocks = 0
        self.reserved_bytes = 0
        self.hot = True
        self.cold_since_s: float | None = None

    @property
    def live(self) -> int:
        """Blocks in use."""
        return self.blocks - len(self.idle) - len(self.held)

    @property
    def held_bytes(self) -> int:
        """Bytes in quarantine."""
        return sum(block.size_bytes for block in tuple(self.held))

    @property
    def allocated_bytes(self) -> int:
        """Bytes of the blocks in use."""
        slab = self.open_slab
        uncarved = (slab.capacity - slab.carved) * self.block_bytes if slab else 0
        return self.reserved_bytes - len(self.idle) * self.block_bytes - self.held_bytes - uncarved

    @property
    def stats(self) -> ClassStats:
        """What statistics say of this class."""
        return ClassStats(
            block_bytes=self.block_bytes,
            live=self.live,
            idle=len(self.idle),
            quarantined=len(self.held),
            allocated_bytes=self.allocated_bytes,
            reserved_bytes=self.reserved_bytes,
        )


def pending(uses: tuple[Use, ...] | None) -> tuple[Use, ...] | None:
    """Return those uses whose event is not done, or None."""
    return tuple(use for use in uses if not use[0].done) or None if uses else None


class PoolSet:
    """Every size class of one device, within one limit on the bytes reserved.

    Args:
        device: Where memory comes from.
        limit_bytes: The most that may be reserved.
        pooling: Keep freed blocks; false gives them back to the device.
        scrub: Zero freed blocks before anybody gets them.
    """

    def __init__(self, device: Device, limit_bytes: int, *, pooling: bool, scrub: bool) -> None:
        self.device = device
        self.limit_bytes = limit_bytes
        self.pooling = pooling
        self.scrub = scrub
        self.reserved_bytes = 0
        self.device_allocations = 0
        self._keeps = pooling and not scrub
        self._slab_bytes = slab_bytes(limit_bytes)
        self._scrub_stream: DeviceStream | None = None
        self._pools: dict[int, SizePool] = {}
        self._direct = SizePool(0, keeps=False)
        small = [self.pool_of(1 << bits) for bits in range(SPLIT_ABOVE_BYTES.bit_length())]
        self.by_bits: tuple[SizePool, ...] = tuple(small)
        """The pool of a request of n bytes, 1 <= n <= 1 MiB, at index `(n - 1).bit_length()`."""

    @property
    def pools(self) -> Iterable[SizePool]:
        """Every pool that was used."""
        return [pool for pool in (*self._pools.values(), self._direct) if pool.blocks or pool.reserved_bytes]

    @property
    def held_bytes(self) -> int:
        """Bytes in quarantine."""
        return sum(pool.held_bytes for pool in self.pools)

    def held_events(self) -> list[DeviceEvent]:
        """Every event that keeps a block in quarantine."""
        return [event for pool in self.pools for block in pool.held for event, _ in pending(block.uses) or ()]

    def pool_of(self, size_bytes: int) -> SizePool:
        """Return the pool that serves a request of `size_bytes`, made if it is the first of its class."""
        if not self.pooling:
            return self._direct
        size_bytes = block_bytes(size_bytes)
        pool = self._pools.get(size_bytes)
        if pool is None:
            pool = self._pools[size_bytes] = SizePool(size_bytes, keeps=self._keeps)
        return pool

    # Taking

    def find(self, pool: SizePool, size_bytes: int, stream: DeviceStream | None) -> Block:
        """Return a block for `pool` when none lies ready: out of quarantine, a slab, a larger class, or the device.

        Raises:
            NoRoom: None of them has one, even after everything idle was released.
        """
        if pool.held and (block := self._from_quarantine(pool, stream)):
            return block
        if pool is self._direct:
            return self._reserve(pool, block_size_unpooled(size_bytes))
        if is_carved(pool.block_bytes, self._slab_bytes) and (slab := self._slab_for(pool)):
            address = slab.block.address + slab.carved * pool.block_bytes
            slab.carved += 1
            if slab.carved == slab.capacity:
                pool.open_slab = None
            pool.blocks += 1
            return Block(address, pool.block_bytes, pool, slab)
        return self._borrow(pool) or self._reserve(pool, pool.block_bytes)

    def _borrow(self, pool: SizePool) -> Block | None:
        """Take an idle block of a slightly larger class; freed, it returns to that class."""
        for size_bytes in pool.larger:
            lender = self._pools.get(size_bytes)
            if lender is not None and lender.idle:
                lender.hot = True
                return lender.idle.pop()
        return None

    def _from_quarantine(self, pool: SizePool, stream: DeviceStream | None) -> Block | None:
        for _ in range(min(len(pool.held), SCAN_BLOCKS)):
            block = pool.held.popleft()
            waiting_for = pending(block.uses)
            if waiting_for is None:
                self.settle(block)
                if pool.idle:
                    return pool.idle.pop()
            elif stream is not None and pool.keeps and all(used_on is stream for _, used_on in waiting_for):
                block.uses = waiting_for
                return block
            else:
                pool.held.append(block)
        return None

    def _slab_for(self, pool: SizePool) -> Slab | None:
        if pool.open_slab is None:
            donor = self.pool_of(self._slab_bytes)
            try:
                block = donor.idle.pop() if donor.idle else self._from_quarantine(donor, None)
                block = block or self._reserve(donor, self._slab_bytes)
            except NoRoom:
                return None
            donor.blocks -= 1
            donor.reserved_bytes -= block.size_bytes
            pool.reserved_bytes += block.size_bytes
            pool.open_slab = Slab(block, block.size_bytes // pool.block_bytes)
        return pool.open_slab

    def _reserve(self, pool: SizePool, size_bytes: int) -> Block:
        over = self.reserved_bytes + size_bytes - self.limit_bytes
        if over > 0:
            if size_bytes <= self.limit_bytes:
                self.release(over)
            if self.reserved_bytes + size_bytes > self.limit_bytes:
                raise NoRoom(size_bytes, device_refused=False)
        try:
            address = self.device.allocate(size_bytes)
        except MemoryError:
            self.release()
            try:
                address = self.device.allocate(size_bytes)
            except MemoryError as refusal:
                raise NoRoom(size_bytes, device_refused=True) from refusal
        self.device_allocations += 1
        self.reserved_bytes += size_bytes
        pool.reserved_bytes += size_bytes
        pool.blocks += 1
        return Block(address, size_bytes, pool, None)

    # Giving back

    def settle(self, block: Block) -> None:
        """Take a freed block: to quarantine while used, then scrubbed where asked, then idle or back to the device."""
        pool = block.pool
        scrub_failed = block.uses is not None and self.scrub and any(event.error for event, _ in block.uses)
        block.uses = pending(block.uses)
        if block.uses is None and self.scrub and (block.dirty or scrub_failed):
            block.dirty = False
            if self._scrub_stream is None:
                self._scrub_stream = self.device.stream()
            event = self.device.zero(block.address, block.size_bytes, self._scrub_stream)
            block.uses = None if event.done and event.error is None else ((event, self._scrub_stream),)
        if block.uses is not None:
            pool.held.append(block)
        elif pool is self._direct:
            self._give_back(block)
        else:
            pool.idle.append(block)

    def collect(self) -> None:
        """Take every block out of quarantine whose uses are done."""
        for pool in self.pools:
            for _ in range(len(pool.held)):
                self.settle(pool.held.popleft())

    def release(self, needed_bytes: int | None = None) -> int:
        """Give idle blocks back to the device, classes that were not used lately first.

        Args:
            needed_bytes: Stop once so many are given back; all of them by default.

        Returns:
            Bytes given back.
        """
        before = self.reserved_bytes
        self.collect()
        order = sorted(self.pools, key=lambda pool: (pool.hot, pool.cold_since_s or 0.0, -pool.block_bytes))
        for pool in order:
            if needed_bytes is not None and before - self.reserved_bytes >= needed_bytes:
                return before - self.reserved_bytes
            self._release_pool(pool, None if needed_bytes is None else needed_bytes - (before - self.reserved_bytes))
        if needed_bytes is None or before - self.reserved_bytes < needed_bytes:
            self._merge_slabs(self.pools)
            donor = self.pool_of(self._slab_bytes)
            self._release_pool(donor, None if needed_bytes is None else needed_bytes - (before - self.reserved_bytes))
        return before - self.reserved_bytes

    def tick(self, now_s: float) -> int:
        """Release what classes cold for `COLD_S` keep idle, and merge their idle slabs; returns bytes given back."""
        before = self.reserved_bytes
        self.collect()
        cold = []
        for pool in self.pools:
            if pool.hot or pool.cold_since_s is None:
                pool.hot, pool.cold_since_s = False, now_s
            elif now_s - pool.cold_since_s >= COLD_S:
                cold.append(pool)
        for pool in cold:
            self._release_pool(pool, None)
        self._merge_slabs(cold)
        return before - self.reserved_bytes

    def _release_pool(self, pool: SizePool, needed_bytes: int | None) -> None:
        kept = []
        for block in pool.idle:
            if block.slab is None and (needed_bytes is None or needed_bytes > 0):
                self._give_back(block)
                needed_bytes = None if needed_bytes is None else needed_bytes - block.size_bytes
            else:
                kept.append(block)
        pool.idle[:] = kept

    def _give_back(self, block: Block) -> None:
        self.device.free(block.address, block.size_bytes)
        self.reserved_bytes -= block.size_bytes
        block.pool.reserved_bytes -= block.size_bytes
        block.pool.blocks -= 1

    def _merge_slabs(self, pools: Iterable[SizePool]) -> None:
        """Turn slabs with no block in use back into whole blocks of their class, for any use."""
        for pool in pools:
            idle_in = Counter(block.slab for block in pool.idle if block.slab is not None)
            whole = {slab for slab, count in idle_in.items() if count == slab.carved}
            if not whole:
                continue
            pool.idle[:] = [block for block in pool.idle if block.slab not in whole]
            for slab in whole:
                pool.blocks -= slab.carved
                pool.reserved_bytes -= slab.block.size_bytes
                if slab is pool.open_slab:
                    pool.open_slab = None
                donor = slab.block.pool
                donor.blocks += 1
                donor.reserved_bytes += slab.block.size_bytes
                donor.idle.append(slab.block)

    def close(self) -> int:
        """Give everything idle back, and return the bytes that work in flight still holds: those stay reserved."""
        self.release()
        if self._scrub_stream is not None and not self.reserved_bytes:
            self._scrub_stream.close()
            self._scrub_stream = None
        return self.reserved_bytes


def block_size_unpooled(size_bytes: int) -> int:
    """Round an unpooled request up to the device's alignment of 256 bytes."""
    return max((size_bytes + 255) & ~255, 256)
